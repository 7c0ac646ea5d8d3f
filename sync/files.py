"""Files that a reader sees whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Write a file, or replace it, under a name of its own first.

    Args:
        path: Where to; the folder must be there.
        content: Text is written as UTF-8.
        mode: Who may read it; left out: its owner alone.

    Raises:
        OSError: It cannot be written; what was there before is left as it was.
    """
    try:
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error  # nobody asked for the other name
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        part.chmod(mode)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
