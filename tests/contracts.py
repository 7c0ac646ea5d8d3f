"""The vendors' own descriptions. They are no part of this repository: what needs them is skipped where they are not."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("HOLDFAST_CONTRACTS", Path(__file__).parents[2] / "shared" / "contracts"))


def contract(vendor: str, name: str) -> Any:
    """What a file of theirs says, in JSON or YAML."""
    path = FOLDER / vendor / name
    if not path.exists():
        pytest.skip(f"no vendor description at {path}")
    return json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else _yaml(path)


@cache
def _yaml(path: Path) -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
