"""The body and the signature of a webhook.

The signature is HMAC-SHA256 over the timestamp, a full stop and the body as it was sent, so that a receiver can tell
that it comes from us, is what we sent, and is not an old one sent once more.
"""

import hashlib
import hmac
import json
from datetime import datetime

from notify.words import Message

ID, TIMESTAMP, SIGNATURE = "Holdfast-Id", "Holdfast-Timestamp", "Holdfast-Signature"
"""Names of the headers."""
WINDOW = 300
"""Seconds by which a timestamp may be off before a receiver should refuse the request."""


def body(message: Message) -> bytes:
    """The message as JSON."""
    return json.dumps(
        {
            "id": message.id,
            "kind": message.kind,
            "at": message.at.isoformat(),
            "title": message.title,
            "lines": list(message.lines),
            "items": [{"name": item.name, "text": item.text, **item.data} for item in message.items],
            "more": message.more,
            "again": message.again,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def headers(message: Message, content: bytes, secret: str, now: datetime) -> dict[str, str]:
    """What a request carries beside its body."""
    timestamp = str(int(now.timestamp()))
    return {
        "Content-Type": "application/json",
        ID: message.id,
        TIMESTAMP: timestamp,
        SIGNATURE: f"v1={sign(secret, timestamp, content)}",
    }


def sign(secret: str, timestamp: str, content: bytes) -> str:
    """The signature in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + content, hashlib.sha256).hexdigest()
