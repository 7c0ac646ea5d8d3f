"""What a message says, whatever channel it takes: a title, a line for each thing, commands to copy.

Everything that comes from outside, such as an account's name, goes through `inert`: it stays on its line, and no client
makes a link of it. What else is special to a channel is escaped where that channel's form is made.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sync.words import clean, cut

MOST_ITEMS = 20
"""Things that one message names; the others are counted."""
LONGEST = 200
"""Characters of a name or a reason."""

_SCHEME = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*):(?=//|[^\s\d])")


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is told.

    Attributes:
        name: The account or the stream, as `inert` gives it.
        text: What is to be said of it.
        data: The same for programs.
    """

    name: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        id: The same for every try.
        kind: Which kind of notice, or "test".
        at: When what it tells was noticed.
        title: One line.
        lines: Sentences below it.
        items: Things that are told, the first `MOST_ITEMS`.
        more: How many further ones there are.
        commands: What one may type.
        again: It may have arrived before.
    """

    id: str
    kind: str
    at: datetime
    title: str
    lines: Sequence[str] = ()
    items: Sequence[Item] = ()
    more: int = 0
    commands: Sequence[str] = ()
    again: bool = False

    @property
    def notes(self) -> list[str]:
        """Sentences that belong below everything else."""
        found = [f"… and {self.more:,} more."] if self.more else []
        return [*found, "This may have reached you before."] if self.again else found


def inert(text: str, longest: int = LONGEST) -> str:
    """Text of others as one line without hidden characters, of which no client makes a link with a scheme."""
    text = " ".join(clean(text, 4 * longest).split())
    return cut(_SCHEME.sub(r"\1 : ", text), longest)


def plain_text(message: Message) -> str:
    """The message as plain text."""
    parts = [message.title, *message.lines]
    if message.items:
        parts += ["", *(f"- {one.name}{f': {one.text}' if one.text else ''}" for one in message.items)]
    if message.commands:
        parts += ["", *(f"    {command}" for command in message.commands)]
    if message.notes:
        parts += ["", *message.notes]
    return "\n".join(parts) + "\n"
