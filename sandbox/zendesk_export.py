"""Zendesk's incremental exports: by cursor (tickets, users) and by time (tickets, users, organizations).

Both compare with the second of a record's last change, `generated_timestamp`, not with `updated_at`. What changed in
the last minute is withheld (since 2024-10-28), and a `start_time` that near is refused with 422.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.zendesk_desk import IDS, Desk
from sandbox.zendesk_http import Call, Handler, decode_cursor, encode_cursor, refuse
from sandbox.zendesk_log import MASK, SHIFT, ChangeLog, first_key, key_of
from sandbox.zendesk_render import Json, Renderer

MAX_PAGE = 1000
FORWARD = re.compile(r"(\d+)\.0\|\|(\d+)\|")
BACKWARD = re.compile(r"\|(\d+)\.0\|\|(\d+)")


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How the exports behave.

    Attributes:
        too_recent: Seconds before now at which a `start_time` is refused; 60, or 300 as in older accounts.
        withheld: Seconds for which changes are held back.
        empty_every: Every so many cursor pages an empty one is put in mid-stream; 0 for never.
    """

    too_recent: int = 60
    withheld: int = 60
    empty_every: int = 0


class Exports:
    """The endpoints under `incremental/`.

    Args:
        desk: The records.
        options: How the exports behave.
    """

    def __init__(self, desk: Desk, options: ExportOptions) -> None:
        self.desk = desk
        self.options = options
        self._pages = 0

    def routes(self) -> dict[str, Handler]:
        """Path pattern -> handler; all are for admins."""
        return {
            r"incremental/(tickets|users)/cursor": self.by_cursor,
            r"incremental/(tickets|users|organizations)": self.by_time,
        }

    def _log(self, kind: str) -> ChangeLog:
        desk = self.desk
        return {"tickets": desk.ticket_log, "users": desk.user_log, "organizations": desk.org_log}[kind]

    def _rows(self, call: Call, kind: str, keys: Sequence[int]) -> Json:
        renderer = Renderer(self.desk, call.base)
        renders: dict[str, Callable[[int], Json]] = {
            "tickets": renderer.exported_ticket, "users": renderer.user, "organizations": renderer.organization,
        }  # fmt: skip
        indexes = [key & MASK for key in keys]
        rows = [renders[kind](index) for index in indexes]
        side = renderer.sideloads(rows, indexes, call.include()) if kind == "tickets" else {}
        return {kind: rows, **side}

    def _check(self, call: Call, kind: str) -> None:
        if kind == "tickets" and "last_audits" in call.include():
            raise refuse(400, "InvalidValue", "last_audits sideload is not supported for incremental exports")

    def _start(self, call: Call) -> int:
        if "start_time" not in call.request.args:
            raise refuse(400, "InvalidValue", "start_time is required")
        start = call.number("start_time")
        if start > call.now - self.options.too_recent:
            span = "5 minutes" if self.options.too_recent == 300 else f"{self.options.too_recent} seconds"
            raise refuse(422, "InvalidValue", f"Too recent start_time. Use a start_time older than {span}")
        return max(start, 0)

    @staticmethod
    def _per_page(call: Call) -> int:
        size = call.number("per_page", MAX_PAGE)
        if size < 1:
            raise refuse(400, "InvalidValue", "per_page must be between 1 and 1000")
        return min(size, MAX_PAGE)

    def by_cursor(self, call: Call, parts: Sequence[str]) -> Json:
        """A page after a cursor, or from `start_time` on; `after_cursor` is there on the last page too."""
        kind, size, horizon = parts[0], self._per_page(call), call.now - self.options.withheld
        self._check(call, kind)
        log, cursor = self._log(kind), call.text("cursor")
        backward = BACKWARD.fullmatch(decode_cursor(cursor)) if cursor else None
        key = _read_cursor(kind, cursor) if cursor else first_key(self._start(call)) - 1
        if backward:
            keys, more = log.before(key, size), True
        else:
            keys, more = log.after(key, size, horizon)
            if more and self._goes_empty():
                keys, key = [], keys[0] - 1
        after = _write_cursor(kind, keys[-1] if keys else key)
        before = _write_back(kind, keys[0]) if keys and cursor else None
        return {
            **self._rows(call, kind, keys),
            "after_url": self._cursor_link(call, kind, after),
            "after_cursor": after,
            "before_url": self._cursor_link(call, kind, before) if before else None,
            "before_cursor": before,
            "end_of_stream": not more,
        }

    def _goes_empty(self) -> bool:
        """Whether an empty page is due; the cursor it hands out still moves, so that nobody takes it for a loop."""
        self._pages += 1
        return bool(self.options.empty_every) and self._pages % self.options.empty_every == 0

    @staticmethod
    def _cursor_link(call: Call, kind: str, cursor: str) -> str:
        args = call.request.args
        return call.link(
            f"incremental/{kind}/cursor",
            cursor=cursor,
            per_page=args.get("per_page"),
            include=args.get("include"),
        )

    def by_time(self, call: Call, parts: Sequence[str]) -> Json:
        """A page of everything changed at or after `start_time`.

        Pages meet in a second, whose records come twice; a page that is one single second is sent whole, beyond
        `per_page`, and then the next page starts a second later. `next_page` is never null.
        """
        kind, size = parts[0], self._per_page(call)
        self._check(call, kind)
        start, log = self._start(call), self._log(kind)
        keys, more = log.after(first_key(start) - 1, size, call.now - self.options.withheld)
        end = keys[-1] >> SHIFT if keys else start
        if len(keys) == size and keys[0] >> SHIFT == end:
            keys = log.second(end)
            end += 1
            more = log.after(first_key(end) - 1, 1, call.now - self.options.withheld)[0] != []
        return {
            **self._rows(call, kind, keys),
            "next_page": call.link(
                f"incremental/{kind}",
                include=call.request.args.get("include"),
                per_page=call.request.args.get("per_page"),
                start_time=end,
            ),
            "count": len(keys),
            "end_of_stream": not more,
            "end_time": end,
        }


def _write_cursor(kind: str, key: int) -> str:
    """Name the record a page ended with; "id 0" stands for the very start of a second."""
    index = key & MASK
    if index == MASK:
        return encode_cursor(f"{(key >> SHIFT) + 1}.0||0|")
    return encode_cursor(f"{key >> SHIFT}.0||{IDS[kind].of(index)}|")


def _write_back(kind: str, key: int) -> str:
    return encode_cursor(f"|{key >> SHIFT}.0||{IDS[kind].of(key & MASK)}")


def _read_cursor(kind: str, cursor: str) -> int:
    text = decode_cursor(cursor)
    match = FORWARD.fullmatch(text) or BACKWARD.fullmatch(text)
    if match is None:
        raise refuse(400, "InvalidValue", "Invalid cursor")
    index = IDS[kind].at_or_before(int(match[2]))
    return first_key(int(match[1])) - 1 if index is None else key_of(int(match[1]), index)
