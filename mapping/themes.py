"""What a text speaks of, by lists of words that anybody can read and change: themes, never the text itself.

The text is looked at while its row is mapped, and forgotten: records carry the names of the themes, nothing else.
"""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

COMPLAINT = "complaint"
"""The tag of texts in which a theme was found that is a complaint; no theme can be called so."""
MAX_TEXT = 20_000
"""Characters of a text that are looked at."""

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=80)]
ThemeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")]
_MARKUP = re.compile(r"<[^<>]{0,500}>")
_FILE = Path(__file__).with_name("themes.toml")


class Theme(BaseModel):
    """The words of one theme."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    words: tuple[Word, ...] = Field(
        (), max_length=500, description='Words and phrases, such as ["teuer", "zu viel Geld", "Preiserhöhung*"].'
    )
    but_not: tuple[Word, ...] = Field(
        (), max_length=500, description="Phrases that are taken out of the text before it is looked at."
    )
    complaint: bool = Field(False, description="Whether somebody who says so complains.")


class Settings(BaseModel):
    """The `[themes]` table of the config."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    shipped: bool = Field(True, description="False starts from nothing instead of the lists that come with Holdfast.")
    lists: dict[ThemeName, Theme] = Field(
        default_factory=dict,
        max_length=40,
        description="Themes by name: those that come with Holdfast get your words in addition, others are new.",
    )

    @model_validator(mode="after")
    def _usable(self) -> "Settings":
        if COMPLAINT in self.lists:
            raise ValueError(f"no theme can be called {COMPLAINT!r}: say complaint = true in a theme of another name")
        for name, theme in self.lists.items():
            if not (theme.words or theme.but_not):
                raise ValueError(f"the theme {name!r} has no words")
            for word in (*theme.words, *theme.but_not):
                if len(word.replace("*", "").strip()) < 2 or "*" in word.strip("*"):
                    raise ValueError(f"{word!r} in {name!r}: write at least two letters; * only at the ends")
        return self


class Themes:
    """A classifier. Immutable and safe to share between threads.

    Attributes:
        lists: The themes by name, as they are looked for.
    """

    def __init__(self, lists: Mapping[str, Theme]) -> None:
        self.lists = dict(lists)
        self._looked = [
            (name, theme.complaint, _pattern(theme.but_not), _pattern(theme.words))
            for name, theme in sorted(self.lists.items())
        ]

    @classmethod
    def of(cls, settings: Settings) -> "Themes":
        """The lists that come with Holdfast, with the admin's on top."""
        lists = dict(shipped_lists()) if settings.shipped else {}
        for name, theme in settings.lists.items():
            old = lists.get(name, Theme())
            lists[name] = Theme(
                words=(*old.words, *theme.words),
                but_not=(*old.but_not, *theme.but_not),
                complaint=old.complaint or theme.complaint,
            )
        return cls(lists)

    def tags(self, text: Any) -> tuple[str, ...] | None:
        """Names of the themes that a text speaks of, sorted, `complaint` among them where one of them is one.

        None where there is nothing to read or nothing is found. Never raises: what is no text has no themes.
        """
        if isinstance(text, list):
            text = "\n".join(part for part in text if isinstance(part, str))
        if not isinstance(text, str) or not text.strip():
            return None
        plain = _plain(_MARKUP.sub(" ", text[:MAX_TEXT]))
        found = set()
        for name, complaint, but_not, words in self._looked:
            left = but_not.sub(" . ", plain) if but_not else plain
            if words and words.search(left):
                found |= {name, COMPLAINT} if complaint else {name}
        return tuple(sorted(found)) or None


@cache
def shipped_lists() -> Mapping[str, Theme]:
    """The lists that come with Holdfast."""
    return {name: Theme(**table) for name, table in tomllib.loads(_FILE.read_text(encoding="utf-8")).items()}


@cache
def shipped() -> Themes:
    """The classifier of somebody who configured nothing."""
    return Themes(shipped_lists())


def _plain(text: str) -> str:
    """Small letters, one kind of apostrophe, one blank between words."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(folded.split())


def _pattern(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """Any of the words, each with a boundary at the ends that have no star."""
    if not words:
        return None
    return re.compile("|".join(_one(word) for word in words))


def _one(word: str) -> str:
    before = "" if word.startswith("*") else r"(?<!\w)"
    after = "" if word.endswith("*") else r"(?!\w)"
    return before + re.escape(_plain(word.strip("*"))) + after
