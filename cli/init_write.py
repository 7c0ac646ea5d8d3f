"""What `init` writes: a commented config and a scorecard, whole or not at all, and never a secret."""

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from cli.errors import CommandError
from sync.files import naming

HEAD = """\
# Made by `holdfast init`, which may be run again; every setting: docs/configuration.md.
# Secrets are references to environment variables or files of mode 0600, never values.
"""

REST: Mapping[str, str] = {
    "identity": "# Your own people are never scored.\n[identity]\nown_domains = {own_domains}\n",
    "scoring": "# How health is computed; docs/scoring.md says how to change it.\n[scoring]\ncard = {card}\n",
    "writeback": """\
[writeback]
policy = "apply"                # or "approve": only plans that `holdfast approve PLAN` has signed
human_edits = "keep"            # or "overwrite", or "ask": what happens to a field of ours that somebody changed
tasks = true                    # false: fields only
{fallback_owner}
""",
    "run": '[run]\nevery = "1h"\n',
    "quality": """\
# Below these marks the first fill waits until a person accepts it (docs/check.md).
[quality]
accept = []
""",
    "state": "# What the agent remembers: keep it on a disk that is backed up.\n[state]\ndir = {state}\n",
}
"""Table -> its text in a new config; one that is there already is left as it is."""

TABLES = frozenset({"streams", "forms", "surveys"})
"""Settings of a source that are written as tables of their own, below it."""

_TABLE = re.compile(r"^\s*\[+\s*([A-Za-z0-9_-]+)", re.MULTILINE)


def value(item: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, str):
        return json.dumps(item, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(item, Mapping):
        inner = ", ".join(f"{_key(key)} = {value(one)}" for key, one in item.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(item, list | tuple):
        return "[" + ", ".join(value(one) for one in item) + "]"
    return str(item)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)


def vendor_text(where: str, table: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """One vendor's table, its field map below it; a note stands behind the field that it is about."""
    below = {key: one for key, one in table.items() if key in TABLES and isinstance(one, Mapping) and one}
    lines = [f"[{where}]"]
    lines += [f"{_key(key)} = {value(one)}" for key, one in table.items() if key != "fields" and key not in below]
    for key, streams in below.items():
        lines += _streams(f"{where}.{key}", streams)
    for stream, fields in table.get("fields", {}).items():
        plain = {key: one for key, one in fields.items() if key != "external_ids" or not isinstance(one, Mapping)}
        nested = {key: one for key, one in fields.items() if key not in plain}
        if plain:
            lines += ["", f"[{where}.fields.{_key(stream)}]"]
            lines += [_noted(key, one, notes.get(f"{stream}.{key}", "")) for key, one in plain.items()]
        for name, ids in nested.items():
            lines += ["", f"[{where}.fields.{_key(stream)}.{_key(name)}]"]
            lines += [_noted(key, one, notes.get(f"{stream}.{name}.{key}", "")) for key, one in ids.items()]
    return "\n".join(lines) + "\n"


def _streams(where: str, streams: Mapping[str, Any]) -> Iterator[str]:
    """A table for each stream, with one of what its fields mean; what says less, such as a form, is a line."""
    short = {name: one for name, one in streams.items() if not (isinstance(one, Mapping) and "fields" in one)}
    if short:
        yield from ("", f"[{where}]", *(f"{_key(name)} = {value(one)}" for name, one in short.items()))
    for name, stream in streams.items():
        if name not in short:
            head = f"{where}.{_key(name)}"
            yield from ("", f"[{head}]", *(f"{_key(k)} = {value(one)}" for k, one in stream.items() if k != "fields"))
            yield from ("", f"[{head}.fields]", *(f"{_key(k)} = {value(one)}" for k, one in stream["fields"].items()))


def _noted(key: str, item: Any, note: str) -> str:
    text = f"{_key(key)} = {value(item)}"
    return f"{text:<60}  # {' '.join(note.split())}" if note else text


def config_text(vendors: Mapping[str, str], rest: Mapping[str, str], old: str = "") -> str:
    """A whole config: the vendors' tables anew, every other table of the old one as it was, and what was missing.

    Raises:
        CommandError: The old file is laid out so that a part of it would be lost.
    """
    kept = list(_kept(old))
    names = {name for name, _ in kept}
    new = [REST[name].format(**rest) for name in REST if name not in names]
    text = HEAD + "\n" + "\n".join([*vendors.values(), *new, *(part.rstrip("\n") + "\n" for _, part in kept)])
    _require_same(old, text)
    return text


def _kept(old: str) -> Iterator[tuple[str, str]]:
    """The tables of a config that are not a vendor's, with the comments above them."""
    starts = [match.start() for match in _TABLE.finditer(old)]
    for start, end in pairwise([*starts, len(old)]):
        found = _TABLE.match(old, start)
        name = found[1] if found else ""
        if name not in {"crm", "sources"}:
            yield name, old[start:end].strip("\n")


def _require_same(old: str, new: str) -> None:
    before = tomllib.loads(old)
    try:
        after = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        after = {}  # tables are not where they seem to begin
    lost = [name for name, table in before.items() if name not in {"crm", "sources"} and after.get(name) != table]
    if lost:
        raise CommandError(
            f"the config cannot be changed without losing a part of [{lost[0]}]; change it by hand, or let init write "
            "another file: --config NEW.toml"
        )


def write_all(files: Mapping[Path, str]) -> None:
    """Write files so that each is whole or not there, in their order; the last one is what the others are for.

    Raises:
        OSError: Nothing was replaced that could not be written.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for path, text in files.items():
            with naming(path):
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
                ready.append((Path(name), path))
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
        for temporary, path in ready:
            temporary.replace(path)
    finally:
        for temporary, _ in ready:
            temporary.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Find out before any question is asked.

    Raises:
        CommandError: The folder is not there, or nothing can be written into it.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandError(
            f"{folder}: nothing can be written there ({error.strerror}); go to a folder of your own, or name another "
            "file with --config."
        ) from None
