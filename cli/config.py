"""The config file: typed, closed, data only. An error names the file, the dotted key, the value and what is allowed."""

import difflib
import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, create_model

from cli.settings import Section, Tables, tables
from connectors import outside
from connectors.errors import ConfigError
from connectors.registry import VENDORS, Vendor
from notify.settings import CHANNELS
from scoring import bounded
from scoring.events import KnownEvent

M = TypeVar("M", bound=BaseModel)

MAX_FILE = 1024 * 1024
"""Bytes of a config file that are read."""

BESIDE = frozenset({"notify", "log"})
"""Tables that no plan depends on: a saved plan may be applied after they were changed."""

HOW_TO_REFER = 'write it as { env = "NAME" } or { file = "path" }'


class InvalidConfigError(Exception):
    """The config cannot be used; the message is meant for the admin and holds no secret."""


class Events(Section):
    """Known events, see `scoring.events`."""

    events: tuple[KnownEvent, ...] = ()


class VendorConfig(BaseModel):
    """One vendor of the config, with its settings already checked by the vendor's own model."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)
    name: str
    type: str
    settings: Any
    fields: dict[str, Any] = Field(default_factory=dict)


class Config(Tables):
    """Everything the admin decides: the vendors, and the tables of `cli.settings`."""

    path: Path
    crm: VendorConfig
    sources: tuple[VendorConfig, ...]
    events: tuple[KnownEvent, ...] = ()
    hash: str = Field(description="SHA-256 over everything that shapes a plan; no secret goes into it.")

    @property
    def card_paths(self) -> tuple[Path, ...]:
        """The scorecard files in order, relative to the config file; empty for the one that comes with Holdfast."""
        named = self.scoring.cards or ((self.scoring.card,) if self.scoring.card is not None else ())
        return tuple(self.path.parent / card.expanduser() for card in named)

    @property
    def state_dir(self) -> Path:
        """The state folder, relative to the config file."""
        return self.path.parent / self.state.dir.expanduser()


class _Top(Section):
    crm: dict[str, Any]
    sources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    events: list[dict[str, Any]] = Field(default_factory=list)


_TABLE: Any = (dict[str, Any], Field(default_factory=dict))
_File = create_model("_File", __base__=_Top, **dict.fromkeys(tables(), _TABLE))
"""What may stand at the top of the file; what stands in each table is checked by the table's own model."""


def load(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read and check a config file.

    Args:
        path: The TOML file.
        env: Environment for `{ env = ... }` references; the process's own when left out.

    Raises:
        InvalidConfigError: With the file, the key, the value and what is allowed.
    """
    env = os.environ if env is None else env
    data = _read(path)
    top = _validate(_File, data, path, "")
    loader = _Loader(path, env)
    tables_of = {name: getattr(top, name) for name in tables()}
    tables_of["notify"] = loader.channels(tables_of["notify"])
    sources = tuple(loader.vendor(f"sources.{name}", name, table, crm=False) for name, table in top.sources.items())
    crm = loader.vendor("crm", str(top.crm.get("type", "crm")), top.crm, crm=True)
    if crm.name in top.sources:
        raise InvalidConfigError(f"{path}: sources.{crm.name}: the CRM is already read as a source; remove this table.")
    # What is left out has its defaults, and each part is checked by its own model: to check the whole again costs every
    # command the making of all those checks.
    checked: dict[str, Any] = {
        name: _validate(model, tables_of[name], path, name) if tables_of[name] else model.model_construct()
        for name, model in tables().items()
    }
    config = Config.model_construct(
        path=path,
        crm=crm,
        sources=sources,
        events=_validate(Events, {"events": top.events}, path, "").events if top.events else (),
        hash="",
        **checked,
    )
    return config.model_copy(update={"hash": _hash(data, config.card_paths)})


def vendor_config(path: Path, where: str, table: Mapping[str, Any], env: Mapping[str, str]) -> VendorConfig:
    """One vendor's table, checked by itself, with its references to secrets resolved.

    Args:
        path: The config file, to which paths of secret files are relative.
        where: "crm" or "sources.NAME".
        table: What stands there.
        env: Environment for `{ env = ... }` references.

    Raises:
        InvalidConfigError: With the file, the key, the value and what is allowed.
    """
    crm = where == "crm"
    return _Loader(path, env).vendor(where, where.removeprefix("sources."), dict(table), crm=crm)


def read_tables(path: Path) -> dict[str, Any]:
    """A config file as TOML, with nothing checked.

    Raises:
        InvalidConfigError: It cannot be read, or is not TOML.
    """
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
        if len(content) > MAX_FILE:
            raise InvalidConfigError(f"{path}: is larger than {MAX_FILE >> 10} KiB, which no config is.")
        return bounded.loads(content.decode("utf-8").replace("\r\n", "\n"))
    except FileNotFoundError:
        raise InvalidConfigError(
            f"{path}: there is no such file. `holdfast init` writes one; --config names another."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{path}: cannot be read: {error}.") from error
    except ValueError as error:
        raise InvalidConfigError(f"{path}: is not valid TOML: {error}.") from error


def _hash(data: Mapping[str, Any], cards: Sequence[Path]) -> str:
    # References to secrets are names, never values, so the raw data is safe to hash.
    shaping = {name: table for name, table in data.items() if name not in BESIDE}
    digest = hashlib.sha256(json.dumps(shaping, sort_keys=True, default=str).encode())
    for card in cards:
        if card.is_file():
            digest.update(card.read_bytes())
    return digest.hexdigest()


class _Loader:
    """Turns vendor tables into checked settings."""

    def __init__(self, path: Path, env: Mapping[str, str]) -> None:
        self.path = path
        self.env = env

    def vendor(self, where: str, name: str, table: dict[str, Any], *, crm: bool) -> VendorConfig:
        """One `[crm]` or `[sources.NAME]` table."""
        rest = dict(table)
        kind = str(rest.pop("type", "" if crm else name))
        fields = rest.pop("fields", {})
        vendor = self._known(kind, where, crm=crm)
        if not isinstance(fields, dict):
            raise InvalidConfigError(f"{self.path}: {where}.fields: must be a table.")
        model = vendor.settings()
        if rest.get("ready") and "ready" in model.model_fields:
            from cli.field_maps import with_ready_map

            rest = with_ready_map(rest, self.path, where)
        settings = _validate(model, self._resolve(model, rest, where), self.path, where)
        kind = str((self.path.parent / Path(kind).expanduser()).resolve()) if outside.is_file(kind) else kind
        return VendorConfig(name=kind if crm else name, type=kind, settings=settings, fields=fields)

    def _known(self, kind: str, where: str, *, crm: bool) -> Vendor:
        """The vendor that a `type` names: one of ours, of an installed package, or a file."""
        try:
            vendor = None if crm and outside.is_file(kind) else outside.vendor_of(kind, self.path.parent)
            others = () if vendor is not None else outside.installed()
        except ConfigError as error:
            raise InvalidConfigError(f"{self.path}: {where}.type = {kind!r}: {error.message}") from None
        if vendor is not None and (vendor.is_crm or not crm):
            return vendor
        allowed = sorted([*(key for key, one in VENDORS.items() if one.is_crm or not crm), *others])
        raise InvalidConfigError(
            f"{self.path}: {where}.type = {kind!r}: no such vendor.{_nearest(kind, allowed)} "
            f"Allowed: {', '.join(allowed)}{'' if crm else ', or the path of a connector (.py)'}."
        )

    def channels(self, table: dict[str, Any]) -> dict[str, Any]:
        """The `[notify]` table with its channels checked, their references replaced."""
        channels = table.get("channels")
        if not isinstance(channels, dict):
            return table
        return {**table, "channels": {name: self._channel(str(name), one) for name, one in channels.items()}}

    def _channel(self, name: str, table: Any) -> Any:
        where = f"notify.channels.{name}"
        if not isinstance(table, dict):
            raise InvalidConfigError(f"{self.path}: {where}: must be a table.")
        if not re.fullmatch("[a-z0-9_-]{1,40}", name):
            raise InvalidConfigError(f"{self.path}: {where[:80]}: a name has 1 to 40 of a-z, 0-9, - and _.")
        kind = str(table.get("type", ""))
        if kind not in CHANNELS:
            raise InvalidConfigError(
                f"{self.path}: {where}.type = {kind[:80]!r}: no such kind of channel.{_nearest(kind, list(CHANNELS))} "
                f"Allowed: {', '.join(CHANNELS)}."
            )
        model = CHANNELS[kind]
        return _validate(model, self._resolve(model, table, where), self.path, where)

    def _resolve(self, model: type[BaseModel], table: dict[str, Any], where: str) -> dict[str, Any]:
        """Replace references by their values; a secret written out is refused."""
        resolved = dict(table)
        for name, info in model.model_fields.items():
            if name not in table:
                continue
            if _is_secret(info.annotation):
                resolved[name] = self._secret(table[name], f"{where}.{name}")
            elif info.annotation == dict[str, SecretStr] and isinstance(table[name], dict):
                resolved[name] = {key: self._secret(one, f"{where}.{name}.{key}") for key, one in table[name].items()}
            elif _is_reference(table[name]):
                resolved[name] = self._secret(table[name], f"{where}.{name}").get_secret_value()
        return resolved

    def _secret(self, value: Any, key: str) -> SecretStr:
        match value:
            case {"env": str(name), **rest} if not rest:
                if not self.env.get(name):
                    raise InvalidConfigError(f"{self.path}: {key}: environment variable {name} is not set.")
                return SecretStr(self.env[name].strip())
            case {"file": str(name), **rest} if not rest:
                return SecretStr(self._secret_file(self.path.parent / Path(name).expanduser(), key))
            case _:
                raise InvalidConfigError(
                    f"{self.path}: {key}: a secret does not belong into the config; {HOW_TO_REFER}."
                )

    def _secret_file(self, file: Path, key: str) -> str:
        try:
            if stat.S_IMODE(file.stat().st_mode) & (0o007 if self._credential(file) else 0o077):
                raise InvalidConfigError(f"{self.path}: {key}: {file} is readable by others; run: chmod 600 {file}")
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise InvalidConfigError(f"{self.path}: {key}: {file} cannot be read: {reason}.") from error

    def _credential(self, file: Path) -> bool:
        """Whether systemd shows it to this service alone; the access list by which it does looks like group rights."""
        folder = self.env.get("CREDENTIALS_DIRECTORY")
        return folder is not None and file.resolve().is_relative_to(Path(folder).resolve())


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and (set(value) == {"env"} or set(value) == {"file"})


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or (SecretStr in get_args(annotation) and annotation != dict[str, SecretStr])


def _validate(model: type[M], data: Any, path: Path, where: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, problem, path, where) for problem in error.errors(include_url=False)]
        raise InvalidConfigError("\n".join(lines)) from None


def _explain(model: type[BaseModel], problem: Mapping[str, Any], path: Path, where: str) -> str:
    key = ".".join([where, *(str(part) for part in problem["loc"])]).strip(".")
    if problem["type"] == "extra_forbidden":
        name = str(problem["loc"][-1])
        fields = _table(model, problem["loc"][:-1]).model_fields
        known = [info.alias or name for name, info in fields.items()]
        return f"{path}: {key}: unknown key.{_nearest(name, known)} Allowed: {', '.join(known)}."
    if problem["type"] == "missing":
        return f"{path}: {key}: is missing.{_meaning(model, problem['loc'])}"
    if problem["type"] == "string_pattern_mismatch":
        problem = {**problem, "msg": "does not have the right form"}
    value = problem["input"]
    shown = "" if isinstance(value, SecretStr | dict) else f" = {str(value)[:80]!r}"
    return f"{path}: {key}{shown}: {problem['msg'].removeprefix('Value error, ')}.{_meaning(model, problem['loc'])}"


def _table(model: type[BaseModel], loc: Sequence[Any]) -> type[BaseModel]:
    """The model of the table at a place: that of a list's items for a number, of a field for its name."""
    for part in loc:
        info = model.model_fields.get(str(part))
        kinds = [] if info is None else [info.annotation, *get_args(info.annotation)]
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return model


def _meaning(model: type[BaseModel], loc: Sequence[Any]) -> str:
    info = model.model_fields.get(str(loc[0])) if loc else None
    return f" ({info.description.rstrip('.')}.)" if info is not None and info.description else ""


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
