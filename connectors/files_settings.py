"""What the config says about a folder of files. Reading it needs nothing else."""

import codecs
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.config_streams import USAGE, StreamSettings, StreamTable

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
"""End of a file's name -> its format."""


class FileTable(StreamTable):
    """One kind of file."""

    files: str = Field(description='Which files: a pattern of names such as "people*.csv" (`*`, `?`), without folders.')
    format: Format | None = Field(
        None, description='"csv", "jsonl" or "parquet"; left out, the end of the name says it (.csv, .tsv, .jsonl).'
    )
    full: bool = Field(
        False,
        description="True: each file lists all records, so those it does not name are gone, and of several files that "
        "wait only the newest is read. Of events: a file holds all events of its days, and replaces them.",
    )
    encoding: str = Field("utf-8", description="Of CSV files; files with a byte order mark say it themselves.")
    delimiter: str = Field("", max_length=1, description="Of CSV files; left out, the header shows it.")

    @field_validator("files")
    @classmethod
    def _a_plain_name(cls, value: str) -> str:
        if not value or "/" in value or "\\" in value or value.startswith("."):
            raise ValueError("must be a pattern of file names such as 'people*.csv', without a folder")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return codecs.lookup(value).name
        except LookupError:
            raise ValueError("must be the name of an encoding such as 'utf-8' or 'windows-1252'") from None

    @model_validator(mode="after")
    def _a_format_is_known(self) -> "FileTable":
        if self.format is None and Path(self.files).suffix.lower() not in FORMATS:
            raise ValueError(f"format: the end of files = {self.files!r} does not say it; name csv, jsonl or parquet")
        return self

    @property
    def kind(self) -> Format:
        """The format, said or shown by the name."""
        return self.format or FORMATS[Path(self.files).suffix.lower()]

    @property
    def is_usage(self) -> bool:
        """Whether rows are events."""
        return self.record == USAGE


class Settings(StreamSettings):
    """What the admin says about a folder into which another tool puts files."""

    folder: Path = Field(description="Where files arrive, as an absolute path; `~` is the home of the agent's user.")
    settle: int = Field(
        60, ge=0, le=86_400, description="Seconds that a file must have been left unchanged before it is taken."
    )
    streams: dict[str, FileTable] = Field(
        default_factory=dict, description="Name of a stream -> its files; see [files](vendors/files.md)."
    )

    @field_validator("folder")
    @classmethod
    def _an_absolute_path(cls, value: Path) -> Path:
        path = value.expanduser()
        if not path.is_absolute():
            raise ValueError("must be an absolute path such as '/srv/drop/helpdesk'")
        return path

    @model_validator(mode="after")
    def _patterns_differ(self) -> "Settings":
        owner: dict[str, str] = {}
        for name, table in self.streams.items():
            other = owner.setdefault(table.files, name)
            if other != name:
                raise ValueError(f"streams.{name}.files = {table.files!r}: are the files of {other} already")
        return self
