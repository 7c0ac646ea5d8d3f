"""The long form of the fuzzers: a million payloads, or HOLDFAST_FUZZ for each fuzzer.

python -m tests.security
"""

import sys
import time

from tests.security.fuzz import FUZZERS, volume
from tests.security.plans import edits

LONG = 200_000
"""Payloads for each fuzzer of text: a million in all."""
PLANS = 20_000
"""Edited plan files."""


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """0 when nothing escaped."""
    total, escapes = 0, 0
    fuzzers = {name: (fuzzer, volume(LONG)) for name, fuzzer in FUZZERS.items()}
    fuzzers["edited plan files"] = (edits, min(volume(PLANS), PLANS))
    for name, (fuzzer, count) in fuzzers.items():
        begun = time.monotonic()
        found = fuzzer(count)
        total += count
        escapes += len(found)
        say(f"{name}: {count:,} payloads, {len(found)} escapes, {time.monotonic() - begun:.0f} s")
        for one in found[:5]:
            say(f"  {one!r}"[:300])
    say(f"{total:,} payloads")
    say(f"escapes {escapes}")
    return min(escapes, 1)


if __name__ == "__main__":
    sys.exit(main())
