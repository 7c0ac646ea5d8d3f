"""What can go wrong with a vendor, sorted by what to do next.

ConnectorError
├── CredentialsError     fix the token; stop this vendor
├── MissingPermissionError  grant a scope or a right; stop this stream
├── ConfigError          fix a setting (unknown portal, wrong host); stop this vendor
├── QuotaError           wait for the next period; keep the cursor, go on with other vendors
├── TransientError       it may work next hour; keep the cursor, go on with other vendors
│   └── UnclearError     a request that may have had its effect: settle it by asking, never by sending again
├── CursorExpiredError   the vendor forgot our place; start the stream again from nothing
├── RequestError         the vendor refuses this request for good; a defect of ours or of the mapping
│   └── NotFoundError    the record or page does not exist
└── ShapeError           the answer is not what the vendor documents; nothing of it was used
"""

from typing import Any


class ConnectorError(Exception):
    """Anything a connector raises.

    Args:
        message: What happened, in words for an admin; never holds a secret.
        vendor: "hubspot", "zendesk", ...
        status: HTTP status, None when there was no answer.
        code: The vendor's own error code.
        advice: What to do next.
        detail: The parsed body of the vendor's refusal, for connectors to read; never shown.
    """

    def __init__(
        self,
        message: str,
        *,
        vendor: str = "",
        status: int | None = None,
        code: str = "",
        advice: str = "",
        detail: Any = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.status = status
        self.code = code
        self.advice = advice
        self.detail = detail

    def __str__(self) -> str:
        head = f"{self.vendor}: {self.message}" if self.vendor else self.message
        return f"{head} {self.advice}".rstrip()


class CredentialsError(ConnectorError):
    """The vendor does not know us."""


class MissingPermissionError(ConnectorError):
    """The vendor knows us but we may not do this."""


class ConfigError(ConnectorError):
    """A setting points to the wrong place."""


class QuotaError(ConnectorError):
    """The period's calls are used up."""

    retry_after: float | None = None
    """Seconds until calls are possible again, None when the vendor does not say."""


class TransientError(ConnectorError):
    """Retries were made and used up."""


class UnclearError(TransientError):
    """The request was sent and its outcome is unknown."""


class CursorExpiredError(ConnectorError):
    """The saved place in a stream is no longer known to the vendor."""


class RequestError(ConnectorError):
    """The vendor refuses this request for good."""


class NotFoundError(RequestError):
    """The record or page does not exist."""


class ShapeError(ConnectorError):
    """The answer does not have the documented shape."""
