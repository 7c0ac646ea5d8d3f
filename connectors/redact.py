"""Keeps secrets out of whatever people read: log lines, error messages, representations."""

import base64
import logging
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"


class Redactor(logging.Filter):
    """Replaces known secrets, also where they were URL-quoted or sent as basic authentication.

    Attach it to a logging handler to cover everything that handler writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._forms: tuple[str, ...] = ()

    def add(self, secrets: Iterable[str]) -> None:
        """Learn secrets; those under four characters are left alone, they would mask ordinary text."""
        forms = set(self._forms)
        for secret in secrets:
            if len(secret) >= 4:
                plain = base64.b64encode(secret.encode()).decode()
                forms |= {secret, quote(secret, safe=""), quote_plus(secret), plain}
        self._forms = tuple(sorted(forms, key=len, reverse=True))

    def text(self, text: str) -> str:
        """The text with every known secret masked."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask message and traceback of a log record; the record is always kept."""
        record.msg = self.text(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self.text(record.exc_text)
        return True


REDACTOR = Redactor()
"""Knows every secret of this process. Attach it to handlers; the loggers below already have it."""

for _name in (
    "connectors.http",
    "connectors.retry",
    "holdfast",
    "sync.pull",
    "urllib3.connectionpool",
    "urllib3.util.retry",
    "zenpy.lib.api",
):
    logging.getLogger(_name).addFilter(REDACTOR)
