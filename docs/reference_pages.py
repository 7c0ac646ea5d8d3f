"""Reference pages of which the tables come from the code: errors, and fields in the CRM."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from cli.error_words import ERRORS, Meaning, kind_of
from cli.errors import HELD, code_of
from connectors.base import FieldSpec
from connectors.hubspot_tasks import KEY_FIELD
from connectors.hubspot_values import TYPES
from connectors.registry import VENDORS
from connectors.salesforce_metadata import RECEIPT_FIELD, SHAPES, TASK_KEY_FIELD
from mapping import kinds
from mapping.fields import vendors
from sync.owned import default_fields, on_demand_fields
from sync.people import people_fields

MAPPING = Path(__file__).parent.parent / "mapping"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; bars and line ends within cells are made harmless."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# -- errors ---------------------------------------------------------------------------------------------------------

_ERRORS = """# Errors

An error is one sentence that says what is wrong and, where a person can do something, what. What was done before it is
kept. With `--json` it is an object: `error`, the sentence; `exit_code` ([all of them](commands.md#exit-codes)); and
`kind`, a heading of this page; the streams that `sync --json` lists as `failed` have one, too. Kinds stay the same
within a major version; the words of the sentences may change.

What is wrong with a command's options is said by the option's name, without a kind, and ends with exit code 2. A run
that meets an error in one source goes on with the others: it is then told beside the source, in `status` and in the
log, and the run ends with the gravest exit code that it met. What `check` finds has [a page of its own](check.md).
"""
_IN_A_RUN = {"canary": HELD, "doubt": HELD}
"""Kinds that end no command by themselves -> exit code of the run in which they come."""


def errors() -> str:
    """Every kind of error, its cause and its remedy."""
    found: dict[str, tuple[Meaning, list[str]]] = {}
    for name, one in ERRORS.items():
        found.setdefault(one.kind, (one, []))[1].append(name)
    return "\n".join([_ERRORS, *(_error(one, names) for _, (one, names) in sorted(found.items()))])


def _error(one: Meaning, names: list[str]) -> str:
    module, _, name = names[0].rpartition(".")
    kind = getattr(import_module(module), name)
    assert kind_of(kind) == one.kind
    code = _IN_A_RUN.get(one.kind, code_of(kind))
    ends = {"command": "1, or 2 when it is about the options", "not_told": "none: the run is not affected"}
    ends |= {"told_perhaps": ends["not_told"], "stopped": "130"}
    told = ends.get(one.kind, str(1 if code is None else code))
    logged = f" In logs: `{name}`." if module.startswith(("connectors.", "sync.doubt")) else ""
    return f"## {one.kind}\n\n{one.cause}\n\n**What to do.** {one.remedy}\n\nExit code: {told}.{logged}\n"


# -- fields ---------------------------------------------------------------------------------------------------------

_FIELDS = """# Fields

Which fields of the CRM the agent makes and fills, which belong to people, and which it only reads. `holdfast setup`
makes the first two kinds; other names, or none at all, by `[writeback.fields]` in the config, under the names of the
first column. No other field is ever written.

## Fields that the agent fills

A run writes a field only when its value differs. `account.scored_at` and `account.agent` follow other changes and never
cause a write by themselves. What somebody else wrote into one of these fields is left alone and listed
([human edits](undo.md)).
"""
_ON_DEMAND = """## Fields on demand

Written only where `[hierarchy]` asks for them ([people and groups of accounts](hierarchy.md)).
"""
_PEOPLE = """## Fields of yours

Made by `setup` and read with the account; only `holdfast override` writes the first three, as a plan that names the
account ([a person's word](stability.md#a-persons-word)).
"""
_KEYS = """## Keys on tasks

What keeps a task from being made twice. Optional: without them a key in the task's text does it
([HubSpot](vendors/hubspot.md#how-a-task-is-kept-from-being-made-twice),
[Salesforce](vendors/salesforce.md#what-is-written)).
"""
_READ = """## Fields that are only read

The field maps as they come; each line can be replaced in the config ([mapping](mapping.md)). *Where* is the vendor's
name of the field or its path within a record, several in the order in which they are asked; those that begin with `_`
are put there by the connector (associations, stages, the account's currency). *Becomes* is a field of
[the common schema](schema.md), *read as* what it must be for that. Fields of a record that are not named here are not
taken over.
"""


def fields() -> str:
    """Every field in the CRM, ours and others'."""
    parts = [_FIELDS, _owned(lambda own: {one.logical: one.spec for one in default_fields([], own)}), ""]
    parts += [_ON_DEMAND, _owned(lambda own: {one.logical: one.spec for one in on_demand_fields(own)}), ""]
    parts += [_PEOPLE, _owned(lambda own: people_fields({}, own)), ""]
    keys = [
        ["HubSpot", "task", f"`{KEY_FIELD.name}`", _hubspot(KEY_FIELD), KEY_FIELD.description],
        *(
            ["Salesforce", on, f"`{one.name}`", f"Text({one.max_length}), external id, unique", one.description]
            for on, one in (("Activity", TASK_KEY_FIELD), ("object of our own", RECEIPT_FIELD))
        ),
    ]
    parts += [_KEYS, table(["CRM", "on", "field", "type", "meaning"], keys), "", _READ]
    parts += [_read(name) for name in VENDORS if name in vendors()]
    return "\n".join(parts)


def _owned(make: Callable[[Callable[[str], str]], Mapping[str, FieldSpec]]) -> str:
    hubspot, salesforce = (make(VENDORS[crm].own_field) for crm in ("hubspot", "salesforce"))
    rows = [
        [
            f"`{logical}`",
            f"`{one.name}`<br>{_hubspot(one)}",
            f"`{salesforce[logical].name}`<br>{_salesforce(one)}",
            one.description + (f" Values: {', '.join(one.options)}." if one.options else ""),
        ]
        for logical, one in hubspot.items()
    ]
    return table(["our name", "HubSpot", "Salesforce", "meaning"], rows)


def _hubspot(spec: FieldSpec) -> str:
    return " / ".join(TYPES[spec.type])


def _salesforce(spec: FieldSpec) -> str:
    shape = SHAPES[spec.type]
    # Salesforce's pages count the digits before the point, its interfaces all of them.
    digits = shape.get("precision", 0) - shape.get("scale", 0)
    size = {"number": f"({digits}, {shape.get('scale')})", "text": f"({spec.max_length})"}
    return f"{shape['type']}{size.get(spec.type, '')}"


def _read(vendor: str) -> str:
    streams = tomllib.loads((MAPPING / f"{vendor}.toml").read_text(encoding="utf-8"))
    parts = [f"### {VENDORS[vendor].title}\n"]
    for stream, spec in streams.items():
        if "record" not in spec:
            rows = [[f"`{value}`", f"`{name}`", "text"] for name, value in spec.items() if isinstance(value, str)]
            parts += [f"#### {vendor}: {stream}\n", "Exported events, counted by day.\n", _reading(rows)]
            continue
        flat = dict(spec["fields"])
        flat |= {f"external_ids.{key}": value for key, value in flat.pop("external_ids", {}).items()}
        rows = [
            [", ".join(f"`{path}`" for path in _paths(raw)) or "a constant", f"`{name}`", _kind(spec["record"], name)]
            for name, raw in flat.items()
        ]
        parts += [f"#### {vendor}: {stream}\n", f"Each becomes a [{spec['record']}](schema.md#{spec['record']}).\n"]
        parts.append(_reading(rows))
    return "\n".join(parts)


def _reading(rows: list[list[str]]) -> str:
    return table(["where", "becomes", "read as"], rows) + "\n"


def _paths(raw: Any) -> Iterator[str]:
    """Every path in a line of a field map."""
    if isinstance(raw, str):
        yield from [raw] if not raw.startswith("const:") else []
    elif isinstance(raw, list):
        for one in raw:
            yield from _paths(one)
    elif isinstance(raw, dict):
        yield from _paths(raw.get("path", raw.get("join", [])))


def _kind(record: str, name: str) -> str:
    kind = kinds.kinds(record).get(name, "id")
    return f"one of {', '.join(kinds.choices(record, name))}" if kind == "choice" else kind
