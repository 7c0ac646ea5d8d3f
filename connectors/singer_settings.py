"""What the config says about a Singer tap. Reading it needs nothing else."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.config_streams import StreamSettings, StreamTable

LOOKS_SECRET = re.compile(r"(token|secret|password|passwd|api_?key|private_?key|credential)s?$", re.IGNORECASE)
"""Names of a tap's settings that belong under `secrets`."""
LONGEST = 24 * 60
"""Minutes that a tap may be given."""


class TapTable(StreamTable):
    """One stream of the tap."""

    stream: str = Field("", description="What the tap calls it; left out, the same as here.")
    full: bool = Field(
        False,
        description="True where the tap always lists all records (replication method FULL_TABLE): it is run without a "
        "state, and records that it no longer names are gone.",
    )
    along: list[str] = Field(
        default_factory=list,
        description="Further streams of the tap that must be selected too, such as the parent of this one; what they "
        "give is not kept.",
    )


class Settings(StreamSettings):
    """What the admin says about a Singer tap."""

    command: tuple[str, ...] = Field(
        description="The program and its own arguments: `tap-freshdesk`, or with its path."
    )
    environment: Path | None = Field(
        None,
        description="Virtual environment in which the tap is installed, never the agent's own: `/opt/taps/freshdesk`.",
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="The tap's own settings, as its documentation names them; no secrets."
    )
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description='Its secret settings, each `{ env = "NAME" }` or `{ file = "path" }`; a name such as '
        '"credentials.token" is that of a setting within another.',
    )
    pass_env: tuple[str, ...] = Field(
        (), description="Names of environment variables that the tap gets; it gets no others but the system's."
    )
    discover: bool = Field(True, description="False for an old tap that knows no `--discover` and needs no catalog.")
    catalog_option: Literal["--catalog", "--properties"] = Field(
        "--catalog", description="How the tap takes its catalog; old taps know `--properties`."
    )
    account: str = Field("", description="Which account the tap reads, for people; a tap cannot be asked.")
    silent_minutes: float = Field(
        15, gt=0, le=LONGEST, description="The tap is ended when it says nothing at all for so long."
    )
    most_minutes: float = Field(50, gt=0, le=LONGEST, description="The longest that it may take for one stream.")
    streams: dict[str, TapTable] = Field(
        default_factory=dict,
        description="Name of a stream -> what of it is read; see [Singer taps](vendors/singer.md).",
    )

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        words = shlex.split(value) if isinstance(value, str) else value
        if not words:
            raise ValueError("must name a program")
        return words

    @field_validator("environment")
    @classmethod
    def _of_its_own(cls, value: Path | None) -> Path | None:
        if value is not None and value.expanduser().resolve() == Path(sys.prefix).resolve():
            raise ValueError(
                "is the agent's own environment; taps need old versions of libraries, so make one for each"
            )
        return value

    @field_validator("config")
    @classmethod
    def _no_secrets(cls, value: dict[str, Any]) -> dict[str, Any]:
        for name, one in value.items():
            if LOOKS_SECRET.search(name) and isinstance(one, str) and one:
                raise ValueError(f"{name[:80]}: a secret belongs under `secrets`, as a reference")
        return value
