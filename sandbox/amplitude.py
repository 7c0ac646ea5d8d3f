"""Amplitude, simulated: the export of one project's raw events.

    GET /api/2/export?start=YYYYMMDDTHH&end=YYYYMMDDTHH     a zip of gzipped files of JSON lines

Hours are hours of upload, in UTC, both included; what was uploaded in an hour shows two hours after its end. The
vendor's hosts for its two regions differ in name only, so the sandbox has one. Credentials are in `sandbox.core`.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json
from werkzeug.wrappers import Request, Response

from sandbox.amplitude_events import APP, EventBook, Raw, stamp, written
from sandbox.core import AMPLITUDE_KEY, AMPLITUDE_SECRET, SandboxClock, Vendor
from sandbox.model import World
from sandbox.world_mobile import mobile

HOUR = timedelta(hours=1)
LAG = timedelta(hours=2)
"""How long after its end an hour can be exported."""
LONGEST = timedelta(days=365)
MEMBER_ROWS = 200
"""An hour comes in two files at least, and in more of them from so many rows on."""
EMPTY = "Raw data files were not found."


@dataclass(frozen=True, slots=True)
class AmplitudeOptions:
    """What differs between projects.

    Attributes:
        most_rows: More than so many rows in one export are too large: 400 (the vendor's limit is 4 GB).
        most_hours: A longer range takes too long: 504.
        may_export: False for a key that is known and may not export: 403.
    """

    most_rows: int = 10**9
    most_hours: int = 24 * 366
    may_export: bool = True


class Failure(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


class AmplitudeVendor(Vendor):
    """One Amplitude project.

    Args:
        world: What is true.
        clock: The sandbox's time.
        options: See `AmplitudeOptions`.

    Actions of `mutate`: `upload` (`user_id`, `time`; optional `name`, `company_id`, `anonymous`): a phone delivers an
    event now that happened at `time`; `edit_user` (`user_id`, `properties`); `options` (any of `AmplitudeOptions`).
    """

    name = "amplitude"

    def __init__(self, world: World, clock: SandboxClock, **options: Any) -> None:
        super().__init__(world, clock)
        self.options = AmplitudeOptions(**options)
        self.book = EventBook(world)
        self._users = {p.product_user_id: p.id for p in world.people if p.product_user_id is not None}
        self._companies = {c.product_id: c.id for c in world.companies}

    def is_write(self, method: str, path: str) -> bool:  # noqa: ARG002 - nothing here takes writes
        """Nothing here writes."""
        return method not in ("GET", "HEAD", "OPTIONS")

    def truth(self) -> dict[str, dict[str, int]]:
        """Product user ids of customers' people who have the app, and group keys -> world ids."""
        users = mobile(self.world).users
        people = {
            p.product_user_id: p.duplicate_of or p.id
            for p in self.world.people
            if p.product_user_id is not None and p.id in users and p.kind in ("person", "shared_inbox")
        }
        return {"account": dict(self._companies), "contact": people}

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            return self._dispatch(request)
        except Failure as failure:
            return Response(failure.error, status=failure.status, content_type="text/plain; charset=utf-8")

    def _dispatch(self, request: Request) -> Response:
        if request.path != "/api/2/export" or request.method != "GET":
            raise Failure(404, "not found")
        auth = request.authorization
        if auth is None or auth.type != "basic" or (auth.username, auth.password) != (AMPLITUDE_KEY, AMPLITUDE_SECRET):
            raise Failure(401, "Invalid API key or secret key")
        if not self.options.may_export:
            raise Failure(403, "This key may not export raw data")
        first, last = _hour(request.args, "start"), _hour(request.args, "end")
        if first > last:
            raise Failure(400, "start must not be after end")
        if last - first >= LONGEST:
            raise Failure(400, "The maximum date range is 365 days")
        if (last - first) // HOUR + 1 > self.options.most_hours:
            raise Failure(504, "Gateway Time-out")
        rows = self.book.rows(first, min(last, self.ready()))
        if len(rows) > self.options.most_rows:
            raise Failure(400, "The exported data is too large (over 4 GB); ask for a shorter time range")
        if not rows:
            raise Failure(404, EMPTY)
        return Response(_zipped(rows), content_type="application/zip")

    def ready(self) -> datetime:
        """The last hour that can be exported."""
        now = self.clock.now() - LAG - HOUR
        return now.replace(minute=0, second=0, microsecond=0)

    def mutate(self, action: str, args: Mapping[str, Any]) -> Any:
        """Do what a phone, an app or a failing server would do; see the class."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "upload": self._upload,
            "edit_user": self._edit_user,
            "options": self._set_options,
        }
        if action not in actions:
            raise ValueError(f"amplitude has no action {action!r}; known: {', '.join(sorted(actions))}")
        return actions[action](args)

    def _upload(self, args: Mapping[str, Any]) -> Any:
        moment = datetime.fromisoformat(str(args["time"]))
        person = self._person(args)
        home = self.world.people[person - 1].company_id
        raw = Raw(
            time_ms=round(moment.timestamp() * 1000),
            uploaded_ms=round(self.clock.now().timestamp() * 1000),
            person=person,
            company=self._companies[args["company_id"]] if "company_id" in args else home,
            name=str(args.get("name", "App opened")),
            number=(1 << 60) + 1000 * len(self.book.extras),
            anonymous=bool(args.get("anonymous", False)),
        )
        self.book.extras.append(raw)
        return {"event_time": stamp(raw.time_ms), "server_upload_time": stamp(raw.uploaded_ms), "number": raw.number}

    def _edit_user(self, args: Mapping[str, Any]) -> Any:
        since = round(self.clock.now().timestamp() * 1000)
        self.book.edits.setdefault(self._person(args), []).append((since, dict(args["properties"])))
        return {"user_id": args["user_id"]}

    def _person(self, args: Mapping[str, Any]) -> int:
        if args["user_id"] not in self._users:
            raise ValueError(f"amplitude has no user {args['user_id']!r}")
        return self._users[args["user_id"]]

    def _set_options(self, args: Mapping[str, Any]) -> Any:
        self.options = AmplitudeOptions(**args)
        return to_json(self.options).decode()


def _hour(params: Mapping[str, str], name: str) -> datetime:
    text = params.get(name, "")
    if not re.fullmatch(r"\d{8}T\d{2}", text):
        raise Failure(400, f"{name} must be in the format YYYYMMDDTHH")
    try:
        return datetime.strptime(text, "%Y%m%dT%H").replace(tzinfo=UTC)
    except ValueError as error:
        raise Failure(400, f"{name} must be in the format YYYYMMDDTHH") from error


def _zipped(rows: list[dict[str, Any]]) -> bytes:
    """The hours' files, each gzipped, in one zip; in no order, as the vendor's come from several machines."""
    hours: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        hours.setdefault(row["server_upload_time"][:13], []).append(row)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for hour, inside in sorted(hours.items(), reverse=True):
            files = max(2, -(-len(inside) // MEMBER_ROWS))
            day, _, number = hour.partition(" ")
            for file in range(files):
                part = inside[file::files]
                if part:
                    entry = f"{APP}/{APP}_{day}_{int(number)}#{file}.json.gz"
                    archive.writestr(entry, gzip.compress(written(part), 1, mtime=0))
    return packed.getvalue()
