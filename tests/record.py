"""Records which lines of the product run in the tests, at hardly any cost: `pytest -p tests.record`.

On Python 3.11 coverage follows every line of every library, which made the tests take half as long again, the more so
where the simulators work. So in the processes of the tests SlipCover puts a probe in front of each line of the product
instead, and of nothing else. Processes that tests start are few and short; those coverage follows.

Each process leaves a file `.coverage.*` at the root, in coverage's format: `coverage combine` makes one of them, which
`coverage report` and `tests.gate` read.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

import coverage
import pytest
from slipcover import Slipcover

from tests.gate import ROOMS, ROOT

NAMES = frozenset(room.removesuffix(".py") for room in ROOMS)
NEVER = 2**31 - 1
"""Hits after which SlipCover would look for probes to take out again, in all threads: that saves little here."""

PROBES = Slipcover(d_miss_threshold=NEVER, exclude_lines=[])


class Loader(SourceFileLoader):
    """Loads a module with a probe in front of each line."""

    def get_code(self, fullname: str) -> CodeType | None:
        code = super().get_code(fullname)
        return code and PROBES.instrument(code)


class Finder(MetaPathFinder):
    """Finds the product's modules, and leaves all others to those who come after it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname.partition(".")[0] in NAMES else None
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if not spec.loader.path.startswith(f"{ROOT}{os.sep}"):
            return None
        spec.loader = Loader(spec.loader.name, spec.loader.path)
        return spec


def pytest_configure(config: pytest.Config) -> None:
    """Have processes that tests start recorded; those that only hand out tests start none."""
    if not getattr(config.option, "numprocesses", None):
        settings = coverage.Coverage(config_file=str(ROOT / "pyproject.toml")).config
        os.environ["COVERAGE_PROCESS_CONFIG"] = settings.serialize()


def pytest_unconfigure() -> None:
    """Keep what ran."""
    files = PROBES.get_coverage()["files"]
    record = coverage.CoverageData(basename=str(ROOT / ".coverage"), suffix=True)
    record.add_lines({str(ROOT / file): one["executed_lines"] for file, one in files.items()})
    record.write()


sys.meta_path.insert(0, Finder())
