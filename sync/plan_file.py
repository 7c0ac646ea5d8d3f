"""Plan files: a first line with the hash and who vouches for it, then the plan, a line a change.

The hash says that nothing was changed by accident. That nobody changed it on purpose is what the seal and the approval
are for, which need the state folder's key (`sync.approval`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sync.files import write_whole
from sync.plan import (
    FORMAT,
    FieldChange,
    HumanEdit,
    Plan,
    PlanError,
    RecordChange,
    Skipped,
    TaskChange,
    TaskRemoval,
)
from sync.values import from_json

MAX_FILE = 256 * 1024 * 1024
"""Bytes of a plan file that are read; the first fill of 100,000 contacts takes about a quarter of that."""


@dataclass(frozen=True, slots=True)
class Approved:
    """Who allowed a plan.

    Attributes:
        by: A person's name.
        at: When, ISO 8601, UTC.
        signature: Made with the state folder's key over the plan's hash, the name and the time.
    """

    by: str
    at: str
    signature: str


@dataclass(frozen=True, slots=True)
class PlanFile:
    """What a plan file holds.

    Attributes:
        seal: Says that the agent with this key made the plan; None when saved without a key.
    """

    plan: Plan
    seal: str | None = None
    approved: Approved | None = None

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all, for its owner's eyes only."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        head = {
            "hash": self.plan.hash,
            "seal": self.seal,
            "approved": None if self.approved is None else asdict(self.approved),
        }
        text = "\n".join([json.dumps(head, ensure_ascii=False), *self.plan.lines()]) + "\n"
        write_whole(path, text)

    @classmethod
    def load(cls, path: Path) -> "PlanFile":
        """Read a file. Neither seal nor approval is checked here.

        Raises:
            PlanError: When it cannot be read, was changed since it was saved, or is of another format.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE + 1)
            if len(content) > MAX_FILE:
                raise PlanError(f"{path}: is larger than {MAX_FILE >> 20} MiB, which no plan is.")
            first, _, body = content.decode("utf-8").partition("\n")
            head = json.loads(first)
            if hashlib.sha256(body.removesuffix("\n").encode()).hexdigest() != head["hash"]:
                raise PlanError(f"{path}: was changed after it was saved; make the plan again with `holdfast plan`.")
            if head.keys() != {"hash", "seal", "approved"} and FORMAT in body:
                raise PlanError(f"{path}: its first line was changed; make the plan again with `holdfast plan`.")
            header, *lines = [json.loads(line) for line in body.split("\n") if line]
            if header["format"] != FORMAT:
                raise PlanError(
                    f"{path}: format {header['format']!r} is not {FORMAT!r}; make it anew: `holdfast plan`."
                )
            approved = head["approved"]
            found = cls(
                _from_lines(header, lines), head["seal"], None if approved is None else Approved(**_words(approved))
            )
            written = found.plan.hash == head["hash"]
        except OSError as error:
            raise PlanError(f"{path}: cannot be read: {error.strerror}.") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise PlanError(f"{path}: is not a plan file; make one with `holdfast plan`.") from error
        if not written:
            raise PlanError(f"{path}: was not written by Holdfast as it stands; make it anew: `holdfast plan`.")
        return found


def _words(data: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in data.values()):
        raise TypeError("an approval is made of text")
    return dict(data)


def _from_lines(header: Mapping[str, Any], lines: Sequence[Mapping[str, Mapping[str, Any]]]) -> Plan:
    kinds: dict[str, type] = {
        "update": RecordChange,
        "remove": TaskRemoval,
        "task": TaskChange,
        "kept": HumanEdit,
        "skipped": Skipped,
    }
    found: dict[str, list[Any]] = {kind: [] for kind in kinds}
    for line in lines:
        ((kind, body),) = line.items()
        found[kind].append(kinds[kind](**_values(body)))
    plan = Plan(datetime.fromisoformat(header["made_at"]), header["environment"], header["config_hash"])
    return replace(
        plan,
        records=tuple(found["update"]),
        tasks=tuple(found["task"]),
        kept=tuple(found["kept"]),
        expected_calls=header["expected_calls"],
        notes=tuple(header["notes"]),
        kind=header["kind"],
        max_age=header["max_age"],
        baseline=header["baseline"],
        held=tuple(header["held"]),
        removals=tuple(found["remove"]),
        skipped=tuple(found["skipped"]),
    )


def _values(body: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: from_json(item) for name, item in body.items() if name != "fields"}
    if "fields" not in body:
        return values
    fields = (FieldChange(name, from_json(old), from_json(new)) for name, old, new in body["fields"])
    return {**values, "fields": tuple(fields)}
