"""Files that a reader sees whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system refuses within is said of this path: a full disk names none, and nobody knows a draft's name."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write_whole(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file, or replace it, under a name of its own first.

    Args:
        path: Where to; the folder must be there.
        content: Text is written as UTF-8.
        mode: Who may read it; left out: its owner alone.

    Raises:
        OSError: It cannot be written; what was there before is left as it was.
    """
    with naming(path):
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        part = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
            part.chmod(mode)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
