"""Run every benchmark, or those named: `python -m benchmarks scoring calls`."""

import importlib
import pkgutil
import sys
import time

import benchmarks


def main(names: list[str]) -> int:
    known = [m.name.removeprefix("bench_") for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[:6] == "bench_"]
    if unknown := sorted(set(names) - set(known)):
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(known)}")
        return 2
    for name in names or known:
        started = time.monotonic()
        print(f"\n{name}")
        for row in importlib.import_module(f"benchmarks.bench_{name}").main():
            value = row["value"]
            exact = isinstance(value, str)  # says itself how many digits mean something
            shown = value if exact else f"{value:,.2f}" if isinstance(value, float) and value < 100 else f"{value:,.0f}"
            print(f"  {row['name']:<62} {shown:>12} {row.get('unit', '')}")
        print(f"  ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
