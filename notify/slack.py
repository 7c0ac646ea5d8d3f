"""The form of a message for Slack's incoming webhooks.

Rich text elements are shown as they are: no markup, mention or link is read out of them. The `text` beside the blocks,
which notifications on a phone show, is parsed, so that `&`, `<` and `>` are escaped in it as Slack asks.
"""

import json
from typing import Any

from notify.words import Message

MOST = 12_000
"""Characters in all blocks of a message; Slack refuses a message of somewhat more."""


def escape(text: str) -> str:
    """Text in which Slack sees no link, no mention and no channel, and no bold, italic or code either."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for mark in "*_~`":
        text = text.replace(mark, f"{mark}\u200b" if mark != "`" else "'")
    return text.replace("@", "@\u200b")


def body(message: Message) -> bytes:
    """The request's body."""
    return json.dumps(
        {
            "text": escape(message.title),
            "blocks": [{"type": "rich_text", "elements": _elements(message)}],
            "unfurl_links": False,
            "unfurl_media": False,
        }
    ).encode()


def _elements(message: Message) -> list[dict[str, Any]]:
    elements = [_section(_text(message.title, bold=True))]
    elements += [_section(_text(line)) for line in message.lines]
    left = MOST
    points = []
    for item in message.items:
        left -= len(item.name) + len(item.text)
        if left < 0:
            break
        parts = [_text(item.name, bold=True)]
        points.append(_section(*parts, _text(f": {item.text}")) if item.text else _section(*parts))
    if points:
        elements.append({"type": "rich_text_list", "style": "bullet", "elements": points})
    if message.commands:
        elements.append({"type": "rich_text_preformatted", "elements": [_text("\n".join(message.commands))]})
    return [*elements, *(_section(_text(note)) for note in message.notes)]


def _section(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(parts)}


def _text(text: str, *, bold: bool = False) -> dict[str, Any]:
    element: dict[str, Any] = {"type": "text", "text": text}
    return {**element, "style": {"bold": True}} if bold else element
