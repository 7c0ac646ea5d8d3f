"""What Salesforce says about one record that it did not write, and what follows from it.

Each failed record of a collections request carries `statusCode`, `message` and `fields`; each failed row of a bulk job
carries the same in one text: "CODE:message:Field,Other --". Codes are from Salesforce's public SOAP API reference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectors.base import Change, Outcome, Result
from connectors.errors import ConnectorError
from connectors.retry import vendor_codes

LOCKED = "UNABLE_TO_LOCK_ROW"
DUPLICATE_ALERT = "DUPLICATES_DETECTED"
HIDDEN = frozenset({"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE"})
"""A field is missing, hidden or not for writing: the description that we remembered no longer holds."""
ABSENT = frozenset({"ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"})
"""A record is deleted, merged away, or was never there. Which record, the fields tell: our own one when none is."""
PASSING = frozenset(
    {
        LOCKED,
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "API_CURRENTLY_DISABLED",
        "API_DISABLED_FOR_ORG",
        "PROCESSING_HALTED",
        "QUERY_TIMEOUT",
        "REQUEST_LIMIT_EXCEEDED",
        "REQUEST_RUNNING_TOO_LONG",
        "SERVER_UNAVAILABLE",
        "STORAGE_LIMIT_EXCEEDED",
    }
)
"""Nothing was written, for a reason that passes."""
UNSURE = frozenset({"UNKNOWN_EXCEPTION"})
"""Salesforce itself does not know."""
MOST_WORDS = 500

_OWN = frozenset({"id", "whatid"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one record was not written.

    Attributes:
        code: Salesforce's status code.
        message: Its words, cut to `MOST_WORDS`.
        fields: The fields it names, often none.
    """

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def locked(self) -> bool:
        """Whether somebody else held the record, or one that it belongs to.

        A trigger that ran into a lock fails with a code of its own and names the lock's in its message.
        """
        return self.code == LOCKED or LOCKED in self.message

    @property
    def result(self) -> Result:
        """What it means for the change."""
        if self.locked or self.code in PASSING:
            return "retry"
        if self.code in ABSENT and {name.lower() for name in self.fields} <= _OWN:
            return "gone"
        return "in_doubt" if self.code in UNSURE else "rejected"

    def outcome(self, change: Change) -> Outcome:
        """What became of the change."""
        return Outcome(change.key, self.result, change.record_id, self.code, self.message)


def from_item(item: Mapping[str, Any]) -> Refusal | None:
    """The refusal in one record's result; None when it does not say why."""
    errors = item.get("errors")
    listed = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    told = [refusal for one in listed if (refusal := _from_error(one)) is not None]
    # Several rules can fail at once; what is for good outweighs what passes.
    return min(told, key=lambda refusal: refusal.result == "retry", default=None)


def _from_error(error: Mapping[str, Any]) -> Refusal | None:
    code = error.get("statusCode") or error.get("errorCode")
    fields = error.get("fields")
    if not isinstance(code, str):
        return None
    names = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
    return Refusal(code, _words(error.get("message")), names)


def from_text(text: str) -> Refusal | None:
    """The refusal in a bulk job's `sf__Error`; None when it is not one."""
    code, colon, rest = text.partition(":")
    if not colon or not re.fullmatch(r"[A-Z][A-Z0-9_]*", code):
        return None
    message, _, tail = rest.rpartition(":")
    if not tail.rstrip().endswith("--"):
        return Refusal(code, _words(rest))
    names = (name.strip() for name in tail.rstrip().removesuffix("--").split(","))
    return Refusal(code, _words(message), tuple(name for name in names if name))


def from_refused_call(error: ConnectorError) -> Refusal:
    """The refusal of a call that carried one record only."""
    codes = vendor_codes(error.detail)
    listed = error.detail if isinstance(error.detail, list) else []
    told = _from_error(listed[0]) if listed and isinstance(listed[0], dict) else None
    return told or Refusal(error.code or (codes[0] if codes else ""), _words(error.message))


def _words(text: Any) -> str:
    return " ".join(str(text or "").split())[:MOST_WORDS]
