"""What Bulk API 2.0 jobs of both kinds, queries and ingests, have in common: their words, their register, their CSV."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from sandbox.salesforce_errors import SfError, json_error, not_found
from sandbox.salesforce_http import Call
from sandbox.salesforce_ids import full
from sandbox.salesforce_org import Org
from sandbox.salesforce_types import ObjectDef

DELIMITERS = {"BACKQUOTE": "`", "CARET": "^", "COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "TAB": "\t"}
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n"}
BATCH = 10_000
"""Rows of one internal batch."""
WAITING = 0.25
"""Share of a batch's time that a job spends in the queue."""
OVER = ("JobComplete", "Failed", "Aborted")
ALREADY_OVER = "Aborting already Completed Job not allowed"

_KEPT_MS = 7 * 86_400_000


class Job(Protocol):
    """One job."""

    id: str

    def over_since(self) -> int | None:
        """When it ended, epoch milliseconds; None while it has not."""


J = TypeVar("J", bound=Job)


class Register(Generic[J]):
    """The org's jobs of one kind, in order of making; forgotten seven days after their end.

    Args:
        org: Whose.

    Attributes:
        prefix: First five characters of their ids.
    """

    prefix = ""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._jobs: dict[str, J] = {}
        self._made = 0

    def add(self, job: J) -> J:
        """Take a job in and number it."""
        self._jobs = {one.id: one for one in self.all()}
        self._made += 1
        job.id = full(f"{self.prefix}{self._made:010d}")
        self._jobs[job.id] = job
        return job

    def find(self, call: Call) -> J:
        """The job that a path names. Raises 404 when there is none, or none any more."""
        name = call.params["job"]
        job = self._jobs.get(full(name[:15]) if len(name) in {15, 18} else "")
        if job is None or self._expired(job):
            raise not_found()
        return job

    def all(self) -> list[J]:
        """Every job that is remembered."""
        return [job for job in self._jobs.values() if not self._expired(job)]

    def remove(self, job: J) -> None:
        """Forget a job and its results."""
        self._jobs.pop(job.id, None)

    def _expired(self, job: J) -> bool:
        end = job.over_since()
        return end is not None and self.org.now >= end + _KEPT_MS


def asked(call: Call, known: frozenset[str]) -> Mapping[str, Any]:
    """What a new job is to be. Raises 400 for a body that is no object, or names what is not known."""
    body = call.json()
    if not isinstance(body, dict):
        raise json_error()
    unknown = sorted(set(body) - known)
    if unknown:
        raise json_error(f'Unrecognized field "{unknown[0]}"')
    one_of(body, "contentType", ("CSV",), "CSV")
    return body


def one_of(body: Mapping[str, Any], name: str, allowed: Sequence[str], default: str) -> str:
    """One of a few words. Raises 400 for another."""
    value = str(body.get(name) or default)
    if value not in allowed:
        raise json_error(f'Invalid value "{value}" for {name}: expected one of {", ".join(allowed)}')
    return value


def csv_form(body: Mapping[str, Any]) -> tuple[str, str]:
    """Names of delimiter and line end. Raises 400."""
    delimiter = one_of(body, "columnDelimiter", tuple(DELIMITERS), "COMMA")
    return delimiter, one_of(body, "lineEnding", tuple(LINE_ENDS), "LF")


def supported(kind: ObjectDef) -> ObjectDef:
    """A kind of record that bulk jobs may be about. Raises 400 `INVALIDENTITY` for another."""
    if not kind.bulk:
        raise SfError(400, "INVALIDENTITY", f"Entity '{kind.name}' is not supported by the Bulk API.")
    return kind


def batches(rows: int, size: int) -> int:
    """How many internal batches so many rows make; at least one."""
    return max(1, -(-rows // size))


def csv_line(values: Sequence[str], delimiter: str, line_end: str) -> str:
    """A line of results, every value in quotes. Delimiter and line end are the characters themselves."""
    between = f'"{delimiter}"'
    text = f'"{between.join(values)}"'
    if text.count('"') > 2 * len(values):
        doubled = [value.replace('"', '""') for value in values]
        text = f'"{between.join(doubled)}"'
    return text + line_end
