"""Reads and checks field maps: from TOML tables to readers. All checks happen here, once, before the first row."""

import fnmatch
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from mapping import convert, kinds, paths
from mapping.convert import Converter, UnreadableError
from mapping.mapped import EventMap, FieldMapError
from mapping.schema import RECORDS, Record
from mapping.themes import Themes

SPEC_KEYS = ("path", "join", "when", "as", "values", "otherwise", "default", "matches", "separator")
CONDITION_KEYS = ("path", "values", "not_values", "matches", "absent")
STREAM_KEYS = ("record", "base", "ignore", "skip", "deleted", "fields")
EVENT_KEYS = tuple(EventMap.__dataclass_fields__)
EVENT_TIMES = ("epoch", "text")
EVENT_PATHS = tuple(name for name in EVENT_KEYS if name not in {"times", "ignore"})
CONST = "const:"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file we are, for errors."""

    file: str
    key: str

    def at(self, part: str) -> "Place":
        """A place further in."""
        return Place(self.file, f"{self.key}.{part}" if self.key else part)

    def fail(self, value: object, allowed: str, names: Collection[str] = ()) -> NoReturn:
        """Raise the error of this place."""
        raise FieldMapError(file=self.file, key=self.key, value=value, allowed=allowed, names=names)

    def table(self, value: Any, names: Collection[str] | None = None) -> dict[str, Any]:
        """The value, when it is a table with no other keys than `names`."""
        if not isinstance(value, Mapping):
            self.fail(value, "must be a table")
        for key in value:
            if names is not None and key not in names:
                self.at(key).fail(key, f"unknown name; there are {', '.join(sorted(names))}", names)
        return dict(value)

    def text(self, value: Any, what: str) -> str:
        """The value, when it is text with something in it."""
        if not isinstance(value, str) or not value:
            self.fail(value, f"must be {what}")
        return value

    def getter(self, value: Any) -> paths.Getter:
        """Reads the path that stands here."""
        text = self.text(value, "a path such as 'properties.email'")
        try:
            return paths.getter(text)
        except paths.PathError:
            self.fail(value, "must be a path such as 'properties.email' or 'items[*].id'")


@dataclass(frozen=True, slots=True)
class Reader:
    """Where one value comes from (`path`, read by `get`) and how it is read."""

    path: str
    get: paths.Getter
    convert: Converter


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field: the first reader that gives a value wins; after the last comes the default."""

    readers: tuple[Reader, ...]
    default: Any = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a row's value at `path`. A missing value meets only `absent`, which is the test without any other."""

    path: str
    get: paths.Getter
    values: frozenset[str] | None = None
    not_values: frozenset[str] | None = None
    matches: Converter | None = None

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether the row meets it."""
        value = self.get(row)
        if value is None or value in ("", []):
            return self.values is None and self.not_values is None and self.matches is None
        text = convert.words(value)
        if self.values is not None:
            return text in self.values
        if self.not_values is not None:
            return text not in self.not_values
        return self.matches is not None and self.matches(value) is True


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """The checked map of one stream. `external_ids` holds the specs of that table, by system."""

    record: str
    model: type[Record]
    base: str | None
    fields: Mapping[str, FieldSpec]
    external_ids: Mapping[str, FieldSpec]
    skip: tuple[Condition, ...]
    deleted: tuple[Condition, ...]
    ignore: tuple[str, ...]

    def paths(self) -> list[str]:
        """Every path it reads, sorted."""
        specs = [*self.fields.values(), *self.external_ids.values()]
        read = {reader.path for spec in specs for reader in spec.readers}
        return sorted(read | {condition.path for condition in (*self.skip, *self.deleted)})

    def texts(self) -> frozenset[str]:
        """Paths of what people wrote: looked through for themes, and kept nowhere."""
        specs = [spec for name, spec in self.fields.items() if kinds.kinds(self.record).get(name) == "themes"]
        return frozenset(reader.path for spec in specs for reader in spec.readers)


def patterns(globs: Collection[str]) -> Converter:
    """True when text matches any of the patterns (`*` and `?`, case ignored), None when not."""
    whole = re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs))
    return lambda value: True if isinstance(value, str) and whole.match(value.lower()) else None


def _values(place: Place, record: str, name: str, spec: Mapping[str, Any]) -> Converter:
    """A conversion table, whose results must suit the field."""
    kind = kinds.kinds(record).get(name, "id")
    table = place.at("values").table(spec.get("values", {}))
    results = {**table, "otherwise": spec["otherwise"]} if "otherwise" in spec else table
    for key, result in results.items():
        here = place.at("otherwise") if key == "otherwise" and key not in table else place.at("values").at(key)
        _suits(here, record, name, kind, result)
    return convert.by_table(table, spec.get("otherwise"))


def _suits(place: Place, record: str, name: str, kind: str, result: Any) -> None:
    """Check a constant that a map gives to a field; empty text means "nothing"."""
    if result == "":
        return
    if kind == "choice" and result not in kinds.choices(record, name):
        words = kinds.choices(record, name)
        place.fail(result, f"{name} takes {', '.join(words)}, or '' for nothing", words)
    if kind == "bool" and not isinstance(result, bool):
        place.fail(result, f"{name} takes true or false, or '' for nothing")
    if kind == "int" and (isinstance(result, bool) or not isinstance(result, int)):
        place.fail(result, f"{name} takes a whole number, or '' for nothing")
    if kind not in ("choice", "bool", "int") and not isinstance(result, str):
        place.fail(result, f"{name} takes text")


def _named(place: Place, record: str, name: str, spec: Mapping[str, Any]) -> Converter:
    """The converter that the spec names, or the field's own."""
    fitting = kinds.fitting(record, name)
    named = spec.get("as", fitting[0])
    if named not in fitting:
        place.at("as").fail(named, f"{name} is read as {' or '.join(fitting)}", fitting)
    separator = spec.get("separator", ";")
    if not isinstance(separator, str):
        place.at("separator").fail(separator, "must be text")
    return kinds.converter(record, name, named, separator)


def _reader_converter(place: Place, record: str, name: str, spec: Mapping[str, Any]) -> Converter:
    if "matches" in spec:
        if kinds.kinds(record).get(name) != "bool":
            place.at("matches").fail(spec["matches"], "only for fields that are true or false")
        return patterns(_texts(place.at("matches"), spec["matches"]))
    if "values" in spec or "otherwise" in spec:
        return _values(place, record, name, spec)
    return _named(place, record, name, spec)


def _texts(place: Place, value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        place.fail(value, "must be a list of texts")
    return value


def _constant(place: Place, record: str, name: str, text: str) -> Any:
    """The value of "const:..."."""
    try:
        value = _named(place, record, name, {})(text.removeprefix(CONST))
    except UnreadableError as error:
        place.fail(text, f"{name} takes {error.allowed}")
    return value


def _field(place: Place, record: str, name: str, spec: Any) -> FieldSpec:
    """Any of the forms: a path, "const:...", a table, or a list of these tried in order."""
    if isinstance(spec, list) and spec:
        parts = [_field(place.at(str(i)), record, name, part) for i, part in enumerate(spec)]
        defaults = [part.default for part in parts if part.default is not None]
        return FieldSpec(tuple(r for part in parts for r in part.readers), defaults[0] if defaults else None)
    if isinstance(spec, str) and spec.startswith(CONST):
        return FieldSpec((), _constant(place, record, name, spec))
    table = {"path": spec} if isinstance(spec, str) else place.table(spec, SPEC_KEYS)
    if "join" in table:
        return _joined(place.at("join"), record, name, table["join"])
    path = table.get("path", "")
    get = (place if isinstance(spec, str) else place.at("path")).getter(path)
    default = table.get("default")
    if default is not None:
        _suits(place.at("default"), record, name, kinds.kinds(record).get(name, "id"), default)
    converter = _reader_converter(place, record, name, table)
    if "when" in table:
        converter = _only_when(patterns(_texts(place.at("when"), table["when"])), converter)
    return FieldSpec((Reader(path, get, converter),), default)


def _only_when(fits: Converter, converter: Converter) -> Converter:
    """Values that fit no pattern are nothing, rather than unreadable."""
    return lambda value: converter(value) if fits(value) else None


def _joined(place: Place, record: str, name: str, parts: Any) -> FieldSpec:
    """Several texts with a space between, such as first and last name."""
    getters = [place.getter(path) for path in _texts(place, parts)]
    reader = _named(place, record, name, {})

    def get(row: Any) -> str:
        return " ".join(part.strip() for part in (g(row) for g in getters) if isinstance(part, str) and part.strip())

    return FieldSpec((Reader(parts[0], get, reader), *(Reader(path, lambda _: None, reader) for path in parts[1:])))


def _condition(place: Place, spec: Any) -> Condition:
    table = place.table(spec, CONDITION_KEYS)
    get = place.at("path").getter(table.get("path"))
    tests = [key for key in CONDITION_KEYS[1:] if key in table]
    if len(tests) != 1 or table.get("absent", True) is not True:
        place.fail(", ".join(tests), "needs exactly one of values, not_values, matches, absent = true")
    if tests == ["absent"]:
        return Condition(table["path"], get)
    texts = _texts(place.at(tests[0]), table[tests[0]])
    if tests == ["matches"]:
        return Condition(table["path"], get, matches=patterns(texts))
    if tests == ["values"]:
        return Condition(table["path"], get, values=frozenset(texts))
    return Condition(table["path"], get, not_values=frozenset(texts))


def _conditions(place: Place, specs: Any) -> tuple[Condition, ...]:
    if not isinstance(specs, list):
        place.fail(specs, "must be a list of conditions")
    return tuple(_condition(place.at(str(i)), spec) for i, spec in enumerate(specs))


def _base(place: Place, table: Mapping[str, Any]) -> str | None:
    return place.at("base").text(table["base"], "the name of an object in the row") if "base" in table else None


def stream(place: Place, table: Any, layer: Mapping[str, Any], over: Place) -> StreamSpec:
    """Check one stream's table with the admin's `layer` of fields, which stands at `over`, on top."""
    table = place.table(table, STREAM_KEYS)
    record = place.at("record").text(table.get("record"), "the name of a record")
    if record not in RECORDS:
        place.at("record").fail(record, f"there are {', '.join(sorted(RECORDS))}", RECORDS)
    shipped = place.at("fields").table(table.get("fields", {}))
    base = _base(place, table)
    ignore = tuple(_texts(place.at("ignore"), table["ignore"])) if "ignore" in table else ()
    places = {name: (over if name in layer else place.at("fields")).at(name) for name in {**shipped, **layer}}
    fields, external = _fields(places, record, shipped, layer)
    spec = StreamSpec(
        record,
        RECORDS[record],
        base,
        fields,
        external,
        _conditions(place.at("skip"), table.get("skip", [])),
        _conditions(place.at("deleted"), table.get("deleted", [])),
        ignore,
    )
    _check_required(spec, over)
    _check_reachable(spec, shipped, layer, over)
    return spec


def _fields(
    places: Mapping[str, Place], record: str, shipped: Mapping[str, Any], layer: Mapping[str, Any]
) -> tuple[dict[str, FieldSpec], dict[str, FieldSpec]]:
    names = [*kinds.kinds(record), *(["external_ids"] if "external_ids" in RECORDS[record].model_fields else [])]
    for name in (*shipped, *layer):
        if name not in names:
            places[name].fail(name, f"unknown field; a {record} has {', '.join(sorted(names))}", names)
    ids: dict[str, Any] = {}
    for side in (shipped, layer):
        ids |= places["external_ids"].table(side["external_ids"]) if side.get("external_ids", "") != "" else {}
    if layer.get("external_ids") == "":
        ids = {}
    plain = {name: spec for name, spec in {**shipped, **layer}.items() if name != "external_ids" and spec != ""}
    return (
        {name: _field(places[name], record, name, spec) for name, spec in plain.items()},
        {k: _field(places["external_ids"].at(k), record, "external_ids", v) for k, v in ids.items() if v != ""},
    )


def _check_required(spec: StreamSpec, over: Place) -> None:
    for name, info in spec.model.model_fields.items():
        if info.is_required() and name != "source" and name not in spec.fields:
            over.at(name).fail("", f"every {spec.record} needs {name}; it cannot be left out")


def _check_reachable(spec: StreamSpec, shipped: Mapping[str, Any], layer: Mapping[str, Any], over: Place) -> None:
    """An override that forgets the base would never find anything: "plan" for "properties.plan"."""
    if spec.base is None:
        return
    tops = {spec.base} | {paths.parse(path)[0][0] for raw in shipped.values() for path in _raw_paths(raw)}
    for name, raw in layer.items():
        for path in _raw_paths(raw):
            top = paths.parse(path)[0][0]
            if top not in tops and not top.startswith("_"):
                right = f"{spec.base}.{path}"
                over.at(name).fail(path, f"vendor fields of this stream start with '{spec.base}.'", [right])


def _raw_paths(raw: Any) -> list[str]:
    """The paths in an already checked spec, or in the table of external ids."""
    if isinstance(raw, str):
        return [raw] if raw and not raw.startswith(CONST) else []
    if isinstance(raw, list):
        return [path for part in raw for path in _raw_paths(part)]
    if "path" in raw:
        return _raw_paths(raw["path"])
    return [path for part in raw.values() for path in _raw_paths(part)]


def themed(spec: StreamSpec, themes: Themes) -> StreamSpec:
    """The same map, whose texts are looked through for these themes."""
    fields = {
        name: replace(one, readers=tuple(replace(reader, convert=themes.tags) for reader in one.readers))
        for name, one in spec.fields.items()
        if kinds.kinds(spec.record).get(name) == "themes"
    }
    return replace(spec, fields={**spec.fields, **fields})


def events(place: Place, table: Any, layer: Mapping[str, Any], over: Place) -> EventMap:
    """Check the table of exported events."""
    shipped = place.table(table, EVENT_KEYS)
    overriding = over.table(layer, EVENT_KEYS)
    merged = {**shipped, **overriding}
    for name in EVENT_PATHS:
        here = (over if name in overriding else place).at(name)
        here.text(merged.get(name), "a path such as 'properties.time'")
        if name != "device_prefix":
            here.getter(merged[name])
    times, ignore = merged.pop("times", EVENT_TIMES[0]), merged.pop("ignore", [])
    if times not in EVENT_TIMES:
        where = over if "times" in overriding else place
        where.at("times").fail(times, f"must be one of {', '.join(EVENT_TIMES)}", EVENT_TIMES)
    if not isinstance(ignore, list) or not all(isinstance(name, str) for name in ignore):
        where = over if "ignore" in overriding else place
        where.at("ignore").fail(ignore, "must be a list of event names")
    return EventMap(**merged, times=times, ignore=tuple(ignore))
