"""Connectors that are not part of this project: brought by an installed package, or one file beside the config.

A package names its connectors in the entry point group `holdfast.connectors`: the config's word -> a
`connectors.registry.Vendor`. A file is named by its path. Either is imported when the config names it, never before.

What the module of the settings must have:

- `API`: the number of the contract it was written for, see `API` below;
- `Settings`: a pydantic model of what the config may say;
- `FIELD_MAP`: what its fields mean, as the text of a field map (docs/mapping.md), unless the settings bring the streams
  out of the config (`connectors.config_streams`).

And the module of the connector: `connect(name, settings, *, clock, adapter, spool, own_fields, wanted)`. In a file both
are the same module.
"""

import hashlib
import importlib
import importlib.util
import os
import stat
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from connectors.base import Source
from connectors.errors import ConfigError, ConnectorError
from connectors.redact import REDACTOR
from connectors.registry import VENDORS, Vendor

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

API = 1
"""The contract of `connectors.base`. It grows when what was right becomes wrong, not when something is added."""
GROUP = "holdfast.connectors"
FILE = ".py"
MAX_FILE = 1024 * 1024
"""Bytes of a connector's file."""


def is_file(kind: str) -> bool:
    """Whether the config's `type` is the path of a file rather than a name."""
    return kind.endswith(FILE)


def vendor_of(kind: str, folder: Path = Path()) -> Vendor | None:
    """Whose connector the config's `type` names; None when there is no such name.

    Args:
        kind: A built-in vendor, a name that an installed package gives, or the path of a file.
        folder: What a relative path is relative to.

    Raises:
        ConfigError: There is one, and it cannot be used; the message says why.
    """
    if kind in VENDORS:
        return VENDORS[kind]
    if is_file(kind):
        vendor = _of_file((folder / Path(kind).expanduser()).resolve())
    else:
        found = installed().get(kind)
        if found is None:
            return None
        vendor = _of_package(found)
    _check_settings(vendor)
    return vendor


def known_vendor(kind: str) -> Vendor:
    """The vendor of a config that was loaded: there is one."""
    vendor = vendor_of(kind)
    if vendor is None:
        raise ConfigError(f"the package that brought {kind!r} is no longer installed.")
    return vendor


def installed() -> dict[str, "EntryPoint"]:
    """What installed packages bring, by name.

    Raises:
        ConfigError: Two connectors have one name, so that nobody can tell which is meant.
    """
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: (one.name, _package(one))):
        other = (
            "Holdfast itself" if point.name in VENDORS else _package(found[point.name]) if point.name in found else ""
        )
        if other:
            raise ConfigError(
                f"the package {_package(point)} brings a connector named {point.name!r}, and so does {other}. "
                "Uninstall one of them, or have it choose another name."
            )
        if is_file(point.name):
            raise ConfigError(f"the package {_package(point)} names a connector {point.name!r}; only files end so.")
        found[point.name] = point
    return found


def made(kind: str, name: str, settings: Any, **parts: Any) -> Source:
    """The connector of a source; sends nothing.

    Args:
        kind: The config's `type`.
        name: What the source is called in the config.
        settings: What the config says, read by the vendor's own model.
        parts: Clock, spool and whatever else `connect` takes.

    Raises:
        ConfigError: Bad settings, or a connector from outside that is none.
    """
    vendor = known_vendor(kind)
    if kind in VENDORS:
        source: Source = vendor.load().connect(name, settings, **parts)
        return source
    module = _imported(vendor.module, kind)
    if not callable(getattr(module, "connect", None)):
        raise ConfigError(f"the connector has no function `connect` ({_where(module)}).")
    try:
        given: Any = module.connect(name, settings, **parts)
    except ConnectorError:
        raise
    except Exception as error:
        raise ConfigError(f"its `connect` failed: {_said(error)}.") from error
    if not isinstance(given, Source):
        missing = [one for one in _PARTS if not hasattr(given, one)]
        raise ConfigError(f"its `connect` gave something that is no source: it lacks {', '.join(missing)}.")
    return given


_PARTS = ("name", "streams", "calls", "environment", "check", "pull")


def _package(point: "EntryPoint") -> str:
    return point.dist.name if point.dist is not None else point.value.partition(":")[0]


def _of_package(point: "EntryPoint") -> Vendor:
    try:
        vendor = point.load()
    except Exception as error:
        raise ConfigError(f"the package {_package(point)} cannot be loaded: {_said(error)}.") from error
    if not isinstance(vendor, Vendor):
        raise ConfigError(
            f"the package {_package(point)} must give a connectors.registry.Vendor at {point.value}, "
            f"not a {type(vendor).__name__}."
        )
    return vendor


def _check_settings(vendor: Vendor) -> None:
    """The parts that are needed before the connector itself."""
    module = _imported(vendor.settings_module, vendor.title)
    api, model = getattr(module, "API", None), getattr(module, "Settings", None)
    where = _where(module)
    if api != API:
        said = "does not say which one it was written for" if api is None else f"was written for {str(api)[:40]}"
        raise ConfigError(f"{where} {said}: this Holdfast has API = {API} of the connectors' contract.")
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise ConfigError(f"{where} needs `Settings`, a pydantic model of what the config may say.")
    if not isinstance(getattr(module, "FIELD_MAP", None), str) and not hasattr(model, "stream_tables"):
        raise ConfigError(f"{where} needs `FIELD_MAP`, the text of a field map.")


def _imported(name: str, title: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigError(f"the connector {title} cannot be loaded: {_said(error)}.") from error


def _where(module: ModuleType) -> str:
    return str(getattr(module, "__file__", module.__name__))


def _said(error: BaseException) -> str:
    """What went wrong in somebody else's code, and in which line of it."""
    trace, line = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if "importlib" not in code.co_filename and code.co_filename != __file__:
            line = f", {Path(code.co_filename).name} line {trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = f", line {error.lineno}" if error.lineno else ""
        return REDACTOR.text(f"{type(error).__name__}: {error.msg}{line}")
    return REDACTOR.text(f"{type(error).__name__}: {' '.join(str(error)[:300].split())}{line}".rstrip(". "))


# -- a file -----------------------------------------------------------------------------------------------------------


def _of_file(path: Path) -> Vendor:
    content = _read_safely(path)
    digest = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()[:24]
    name = f"holdfast_file_{digest}"
    if name not in sys.modules:
        _run(name, path, content)
    return Vendor(path.stem, name, name)


def _run(name: str, path: Path, content: bytes) -> None:
    """Make a module of what was read: the very bytes whose file was checked."""
    spec = ModuleSpec(name, None, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pydantic look their module up
    try:
        exec(compile(content, str(path), "exec"), module.__dict__)  # noqa: S102 - that is what the admin asked for
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ConfigError(f"{path} cannot be loaded: {_said(error)}.") from error


def _read_safely(path: Path) -> bytes:
    """A file that nobody else can have written.

    As sshd does with a user's keys (StrictModes): it, and each folder above it, belongs to us or to root, and nobody
    else may write there. In a folder such as /tmp, where each may only touch what is his, others may.
    """
    try:
        with path.open("rb") as file:
            _refuse_foreign(path, os.fstat(file.fileno()))
            for above in path.parents:
                _refuse_foreign(above, above.stat())
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(content) > MAX_FILE:
        raise ConfigError(f"{path} is larger than {MAX_FILE >> 10} KiB, which no connector is.")
    return content


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path} belongs to somebody else, who could change what is run; run: chown {os.geteuid()} {path}"
        )
    if found.st_mode & 0o022 and not (stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX):
        raise ConfigError(f"{path} can be changed by others, who could change what is run; run: chmod go-w {path}")
