"""A program that is run for what it prints: line by line, with a deadline, and never left behind.

It runs in a folder and a process group of its own, with an environment of what it needs. Its standard error is read
along, so that it never blocks, and of it only the end is kept.
"""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from connectors.base import Clock
from connectors.errors import ConfigError, ShapeError, TransientError

VENDOR = "singer"
MAX_LINE = 16 * 1024 * 1024
"""Bytes of one line of output."""
CHUNK = 65_536
TAIL = 4096
"""Bytes of standard error that are kept."""
WAIT = 0.25
"""Seconds between looks at the clock while nothing comes."""
GRACE = 5.0
"""Seconds between asking it to end and ending it."""
PASSED = ("LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def searched(programs: Sequence[str]) -> list[str]:
    """Where programs are looked for, our own environment aside: its libraries and a tap's are not to be mixed."""
    own = str(Path(sys.prefix) / "bin")
    return [*programs, *(one for one in os.environ.get("PATH", os.defpath).split(os.pathsep) if one and one != own)]


def environment(folder: Path, programs: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The child's environment: nothing of ours but what a program needs, and what the admin names.

    Args:
        folder: Its home and its place for temporary files.
        programs: Folders that come first where programs are looked for.
        names: Further variables to pass on.
    """
    wanted = {*PASSED, *PROXIES, *(name.upper() for name in PROXIES), *names}
    own = {name: os.environ[name] for name in sorted(wanted) if name in os.environ}
    path = os.pathsep.join(searched(programs))
    return {"PYTHONUTF8": "1", **own, "PATH": path, "HOME": str(folder), "TMPDIR": str(folder)}


class Child:
    """One run of a program.

    Args:
        command: Program and arguments.
        folder: Where it runs.
        env: Its environment, all of it.
        clock: For the deadlines.
        limits: Seconds that it may be silent, and that it may take in all.

    Raises:
        ConfigError: It cannot be started.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, env: Mapping[str, str], clock: Clock, limits: tuple[float, float]
    ) -> None:
        self._clock = clock
        self._silence, self._most = limits
        self._tail = b""
        self.rest = b""
        """What came after the last end of line: half a line, or the last one of a program that does not end it."""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the program that the admin named
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=dict(env),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"{command[0]} cannot be started: {reason}.",
                vendor=VENDOR,
                advice="See `command` and `environment`; try it by hand first.",
            ) from None

    @property
    def said(self) -> list[str]:
        """The last lines of its standard error."""
        text = self._tail.decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[1:] if len(self._tail) == TAIL and len(lines) > 1 else lines

    def lines(self) -> Iterator[bytes]:
        """Its output, line by line, until it ends by itself.

        Raises:
            TransientError: It was silent, or at work, for too long, or we are to stop.
            ShapeError: A line has no end.
        """
        streams = {self._process.stdout: False, self._process.stderr: True}
        began = last = self._clock.monotonic()
        with selectors.DefaultSelector() as selector:
            for stream, is_error in streams.items():
                assert stream is not None  # noqa: S101 - both are pipes
                selector.register(stream, selectors.EVENT_READ, is_error)
            while selector.get_map():
                ready = selector.select(WAIT)
                self._clock.sleep(0)  # ends here when we are to stop
                if not ready:
                    if self._process.poll() is not None:
                        break  # what it left running still has its output open
                    self._check(last, began)
                for key, _ in ready:
                    chunk = os.read(key.fd, CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    elif key.data:
                        self._tail = (self._tail + chunk)[-TAIL:]
                    else:
                        yield from self._split(chunk)
                    last = self._clock.monotonic()
                self._check(last, began)

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield self.rest + whole[0]
            yield from whole[1:]
            self.rest = rest
        else:
            self.rest += rest
        if len(self.rest) > MAX_LINE:
            raise ShapeError(f"a line of its output is longer than {MAX_LINE >> 20} MiB.", vendor=VENDOR)

    def _check(self, last: float, began: float) -> None:
        now = self._clock.monotonic()
        if now - last > self._silence:
            raise self._late(f"said nothing for {self._silence / 60:g} minutes", "silent_minutes")
        if now - began > self._most:
            raise self._late(f"took longer than {self._most / 60:g} minutes", "most_minutes")

    @staticmethod
    def _late(text: str, setting: str) -> TransientError:
        advice = f"It was ended; what it had given is kept. See `{setting}`."
        return TransientError(f"the tap {text}.", vendor=VENDOR, advice=advice)

    def ended(self) -> int:
        """Its exit code, once its output has ended; negative for a signal. One that does not end is ended."""
        try:
            return self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.close()
            return self._process.returncode

    def close(self) -> None:
        """End it with all that it started, if it still runs."""
        for number, grace in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
            try:
                os.killpg(self._process.pid, number)
            except (ProcessLookupError, PermissionError):
                break
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
