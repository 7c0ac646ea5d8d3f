"""The files that a tap is given: in a folder that only we can read, and that is gone when the tap has ended."""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connectors.errors import ShapeError
from connectors.redact import REDACTOR

MODE = 0o600
MAX_CONFIG = 1024 * 1024
"""Bytes of a config that a tap may write."""


class Files:
    """Where the files of one source's tap are.

    Args:
        spool: Folder of all spools; one for temporary files when None.
        source: Name of the source in the config.
        config: The tap's settings, its secrets among them.
    """

    def __init__(self, spool: Path | None, source: str, config: Mapping[str, Any]) -> None:
        base = Path(tempfile.gettempdir()) / f"holdfast-spool-{os.geteuid()}" if spool is None else spool
        self._base = base / quote(source, safe="")
        self._kept = base.parent / "taps" / f"{quote(source, safe='')}.json" if spool else self._base / "renewed.json"
        self._given = dict(config)
        self._mark = hashlib.sha256(json.dumps(self._given, sort_keys=True).encode()).hexdigest()

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A private folder with the tap's `config.json`; what the tap changes in that is kept for the next run.

        A tap whose vendor gives a new token for each old one writes it there (singer-io taps for Xero, QuickBooks).
        """
        self._base.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clean()
        folder = Path(tempfile.mkdtemp(prefix=f"tap-{os.getpid()}-", dir=self._base))
        try:
            config = {**self._given, **self._renewed()}
            write(folder / "config.json", config)
            yield folder
        finally:
            try:
                self._keep(folder / "config.json", config)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _clean(self) -> None:
        """Remove what ended processes left behind."""
        for old in self._base.glob("tap-*-*"):
            try:
                os.kill(int(old.name.split("-")[1]), 0)
            except (ProcessLookupError, ValueError):
                shutil.rmtree(old, ignore_errors=True)
            except PermissionError:
                continue

    def _renewed(self) -> dict[str, Any]:
        """What the tap has changed, unless the admin has changed the settings since."""
        try:
            kept = json.loads(self._kept.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict) or kept.get("of") != self._mark or not isinstance(kept.get("config"), dict):
            return {}
        REDACTOR.add(one for one in kept["config"].values() if isinstance(one, str))
        return dict(kept["config"])

    def _keep(self, path: Path, before: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError, ValueError):
            if path.stat().st_size > MAX_CONFIG:
                return
            now = json.loads(path.read_text("utf-8"))
            if isinstance(now, dict) and now != before:
                changed = {name: value for name, value in now.items() if self._given.get(name) != value}
                self._kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                draft = self._kept.with_suffix(".new")
                draft.unlink(missing_ok=True)
                write(draft, {"of": self._mark, "config": changed})
                draft.replace(self._kept)


def write(path: Path, value: Any) -> None:
    """Write JSON into a new file that only we can read."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "w", encoding="utf-8") as file:
        json.dump(value, file)


def parsed(text: bytes, what: str, advice: str) -> Any:
    """JSON as Python has it, without the numbers that JSON lacks.

    Raises:
        ShapeError: It is none.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ShapeError(f"{what} is not valid JSON.", vendor="singer", advice=advice) from None


def _no_number(name: str) -> Any:
    raise ValueError(name)
