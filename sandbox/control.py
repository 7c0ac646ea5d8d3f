"""The sandbox's own endpoints under `/_sandbox`: look at it and steer it from outside (see `sandbox.core`)."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from sandbox.faults import Fault

if TYPE_CHECKING:
    from sandbox.core import Sandbox

Handler = Callable[["Sandbox", Request, str], Any]


def _info(sandbox: "Sandbox", request: Request, _rest: str) -> Any:
    world = sandbox.world
    return {
        "vendors": sandbox.base_urls(request.host_url.rstrip("/")),
        "now": sandbox.clock.now().isoformat(),
        "ticking": sandbox.clock.ticking,
        "credentials": {name: dict(values) for name, values in sandbox.credentials.items()},
        "world": {
            "seed": world.seed,
            "start": world.start.isoformat(),
            "now": world.now.isoformat(),
            "horizon": world.horizon.isoformat(),
            "companies": len(world.companies),
            "people": len(world.people),
            "tickets": len(world.tickets),
        },
    }


def _journal(sandbox: "Sandbox", request: Request, _rest: str) -> Any:
    args = request.args
    writes = args.get("writes")
    entries = sandbox.journal.entries(
        args.get("vendor"),
        writes=None if writes is None else writes.lower() in {"1", "true", "yes"},
        since=args.get("since", 0, type=int),
    )
    limit = args.get("limit", 1000, type=int)
    counts: dict[str, dict[str, int]] = {}
    for (vendor, write), n in sandbox.journal.counts.items():
        counts.setdefault(vendor, {"reads": 0, "writes": 0})["writes" if write else "reads"] = n
    return {"counts": counts, "matching": len(entries), "entries": [e.as_json() for e in entries[-limit:]]}


def _forget(sandbox: "Sandbox", _request: Request, _rest: str) -> Any:
    sandbox.journal.clear()
    return {"counts": {}, "matching": 0, "entries": []}


def _clock(sandbox: "Sandbox", _request: Request, _rest: str) -> Any:
    return {"now": sandbox.clock.now().isoformat(), "ticking": sandbox.clock.ticking}


def _steer(sandbox: "Sandbox", request: Request, rest: str) -> Any:
    body = _body(request)
    unknown = set(body) - {"advance_seconds", "set"}
    if unknown or not body:
        raise ValueError(f"expected advance_seconds or set, got {sorted(body)}")
    if "set" in body:
        sandbox.clock.set(datetime.fromisoformat(body["set"]))
    if "advance_seconds" in body:
        sandbox.clock.advance(timedelta(seconds=float(body["advance_seconds"])))
    return _clock(sandbox, request, rest)


def _faults(sandbox: "Sandbox", _request: Request, _rest: str) -> Any:
    return {"faults": [{**fault.as_json(), "fired": fired} for fault, fired in sandbox.faults.items()]}


def _break(sandbox: "Sandbox", request: Request, rest: str) -> Any:
    body = json.loads(request.get_data() or b"null")
    # All are checked before the first is added: half a list of faults would be a riddle.
    faults = [Fault.from_json(item) for item in (body if isinstance(body, list) else [body])]
    sandbox.faults.add(*faults)
    return _faults(sandbox, request, rest)


def _mend(sandbox: "Sandbox", request: Request, rest: str) -> Any:
    sandbox.faults.clear()
    return _faults(sandbox, request, rest)


def _mutate(sandbox: "Sandbox", request: Request, vendor: str) -> Any:
    body = _body(request)
    if vendor not in sandbox.vendors:
        raise ValueError(f"no vendor {vendor!r}; served: {', '.join(sandbox.vendors)}")
    return {"result": sandbox.mutate(vendor, str(body.get("action")), **body.get("args", {}))}


def _truth(sandbox: "Sandbox", _request: Request, vendor: str) -> Any:
    if not vendor:
        return sandbox.truth()
    if vendor not in sandbox.vendors:
        raise ValueError(f"no vendor {vendor!r}; served: {', '.join(sandbox.vendors)}")
    return sandbox.vendor_truth(sandbox.vendors[vendor])


_ROUTES: Mapping[tuple[str, str], Handler] = {
    ("GET", ""): _info,
    ("GET", "journal"): _journal,
    ("DELETE", "journal"): _forget,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _steer,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _break,
    ("DELETE", "faults"): _mend,
    ("POST", "mutate"): _mutate,
    ("GET", "truth"): _truth,
}


def _body(request: Request) -> dict[str, Any]:
    body = json.loads(request.get_data() or b"{}")
    if not isinstance(body, dict):
        raise TypeError(f"expected a JSON object, got {type(body).__name__}")
    return body


def control(sandbox: "Sandbox", request: Request) -> Response:
    """Answer a control request: JSON, 400 with the reason for what was not understood, 404 for unknown paths."""
    name, _, rest = request.path.strip("/").partition("/")
    handler = _ROUTES.get((request.method, name))
    if handler is None:
        return _json({"error": f"no {request.method} /_sandbox/{name}"}, 404)
    try:
        return _json(handler(sandbox, request, rest), 200)
    except (ValueError, TypeError, KeyError) as error:
        return _json({"error": f"{type(error).__name__}: {error}"}, 400)


def _json(value: Any, status: int) -> Response:
    return Response(json.dumps(value, default=str), status=status, content_type="application/json")
