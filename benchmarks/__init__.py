"""Speed and cost, measured side by side in one run and printed as ratios. `make bench` runs all of it."""

from pathlib import Path


def peak_megabytes() -> float:
    """Most memory this program has held; unlike `ru_maxrss`, without what its process was before."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
