"""The sandbox's whole changing state, kept and put back in place.

A snapshot walks everything that can be reached from the roots and keeps a shallow copy of each container and object
that could change. Putting it back gives the same objects their contents again, so that whatever refers to them (routes,
listeners, a client's session) stays valid. It is taken once and put back as often as wanted, in any order with others;
what was made since is no longer referred to. The world never changes and is left out.
"""

import array
import functools
import random
import re
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

import numpy as np

_PLAIN = (str, int, float, bytes, bool, type(None), date, datetime, time, timedelta, tzinfo, re.Pattern, range)
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_FIXED = (type, types.ModuleType, types.BuiltinFunctionType, types.GeneratorType, *_LOCKS)

_KNOWN: dict[type, bool] = {}
"""Type -> whether its objects cannot change, for the types met so far."""


class Snapshot:
    """State that can be put back.

    Args:
        roots: Where to start.
        keep: What never changes and is not walked.
    """

    def __init__(self, roots: Iterable[Any], keep: Iterable[Any] = ()) -> None:
        self._mappings: list[tuple[Any, Any]] = []
        self._lists: list[tuple[Any, Any]] = []
        self._others: list[tuple[Callable[..., Any], Any]] = []
        self._seen: dict[int, Any] = {id(one): one for one in keep}
        self._open: list[Any] = list(roots)
        while self._open:
            self._take(self._open.pop())
        del self._open

    def restore(self) -> None:
        """Put everything back as it was. No request may be under way."""
        for mapping, contents in self._mappings:
            mapping.clear()
            mapping.update(contents)
        for sequence, contents in self._lists:
            sequence[:] = contents
        for put_back, contents in self._others:
            put_back(contents)

    def __len__(self) -> int:
        """How many objects it keeps."""
        return len(self._mappings) + len(self._lists) + len(self._others)

    def _take(self, one: Any) -> None:
        """Keep one object's contents and note what it refers to."""
        if _fixed(type(one)) or id(one) in self._seen:
            return
        # Holding the object keeps its number from being given to another one.
        self._seen[id(one)] = one
        if isinstance(one, dict):
            self._mappings.append((one, dict(one)))
            self._follow(one.values())
        elif isinstance(one, list):
            self._lists.append((one, one[:]))
            self._follow(one)
        elif isinstance(one, tuple | frozenset):
            self._follow(one)
        elif isinstance(one, set | deque):
            self._others.append((_refill(one), tuple(one)))
            self._follow(one)
        elif isinstance(one, types.FunctionType | types.MethodType | functools.partial):
            self._follow(_bound(one))
        elif not self._take_numbers(one):
            self._take_object(one)

    def _take_numbers(self, one: Any) -> bool:
        """What holds numbers alone; whether it was of that kind."""
        if isinstance(one, array.array):
            self._lists.append((one, one[:]))
        elif isinstance(one, random.Random):
            self._others.append((one.setstate, one.getstate()))
        elif isinstance(one, np.ndarray):
            if one.flags.writeable:
                self._others.append((functools.partial(np.copyto, one), one.copy()))
        else:
            return False
        return True

    def _follow(self, values: Iterable[Any]) -> None:
        seen = self._seen
        self._open.extend(v for v in values if not _fixed(type(v)) and id(v) not in seen)

    def _take_object(self, one: Any) -> None:
        """An instance's attributes, in a dictionary or in slots."""
        attributes = getattr(one, "__dict__", None)
        if attributes is not None:
            self._mappings.append((attributes, dict(attributes)))
            self._follow(attributes.values())
        names = [name for base in type(one).__mro__ for name in _slots(base) if hasattr(one, name)]
        if names:
            values = [getattr(one, name) for name in names]
            self._others.append((functools.partial(_put_slots, one, names), values))
            self._follow(values)


def _fixed(kind: type) -> bool:
    """Whether objects of a type cannot change: plain values, code, locks, frozen records such as the world's."""
    known = _KNOWN.get(kind)
    if known is None:
        frozen = is_dataclass(kind) and bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009 - not typed
        known = _KNOWN[kind] = frozen or issubclass(kind, (*_PLAIN, *_FIXED))
    return known


def _slots(kind: type) -> Iterable[str]:
    found = kind.__dict__.get("__slots__", ())
    return [name for name in ((found,) if isinstance(found, str) else found) if not name.startswith("__")]


def _put_slots(one: Any, names: list[str], values: list[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(one, name, value)


def _refill(one: Any) -> Callable[[Any], None]:
    """How to fill a set or a deque again."""
    add = one.update if isinstance(one, set) else one.extend

    def put_back(contents: Any) -> None:
        one.clear()
        add(contents)

    return put_back


def _bound(function: Any) -> list[Any]:
    """What a function holds on to: its object, its arguments, the variables around it."""
    if isinstance(function, types.MethodType):
        return [function.__self__, function.__func__]
    if isinstance(function, functools.partial):
        return [function.func, function.args, function.keywords]
    cells = [cell.cell_contents for cell in function.__closure__ or () if _filled(cell)]
    return [*cells, function.__defaults__, function.__kwdefaults__]


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
