"""Values of tables and files as JSON can hold them."""

import math
from collections.abc import Mapping
from datetime import date, time
from decimal import Decimal
from typing import Any


def plain(value: Any) -> Any:
    """A value as JSON can hold it: instants and days in ISO 8601, decimals as text, no NaN, no bytes."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview) or (
        isinstance(value, float | Decimal) and not math.isfinite(value)
    ):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
