"""Mixpanel's user and group profiles, through the query API's engage call.

The query API allows 60 calls an hour and there is no feed of changes, so profiles are listed once a day; before anybody
was ever listed, once an hour. A listing that the hour's calls do not suffice for goes on in the next hour, with the
vendor's session id, where it was. `total` is not trusted: a page shorter than `page_size` is the last one. Only an
empty page that `total` speaks against is asked for once more, since records that a list leaves out count as gone.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json

from connectors.base import Batch, Row
from connectors.errors import CursorExpiredError, RequestError, ShapeError
from connectors.http import Http
from connectors.place import State, dump, load
from connectors.vendor_clock import VendorClock

DAILY = timedelta(hours=23)
PAGE = 1000


class Profiles:
    """Reads profiles.

    Args:
        http: Session to the query host.
        clock: The vendor's.
        project: Project id.
        workspace: Data view to read, for projects that have them.
        properties: Stream -> names of the properties to ask for; all of them where it says nothing.
    """

    def __init__(
        self,
        http: Http,
        clock: VendorClock,
        *,
        project: int,
        workspace: int | None,
        properties: Mapping[str, Sequence[str]],
    ) -> None:
        self._http = http
        self._clock = clock
        self._query: State = {"project_id": project}
        self._query |= {"workspace_id": workspace} if workspace is not None else {}
        self._properties = {name: json.dumps(list(wanted)) for name, wanted in properties.items() if wanted}

    def pull(self, name: str, group: str | None, cursor: str | None) -> Iterator[Batch]:
        """Yield all profiles, once a day.

        Args:
            name: Stream name, for counting calls.
            group: Id of the group key whose profiles are wanted; None for users.
            cursor: Where the last pull ended.

        Raises:
            CursorExpiredError: Mixpanel has forgotten the session of a listing that was to go on.
        """
        state = load(cursor, "mixpanel")
        run = state if "session" in state else self._begin(state)
        if run is None:
            yield Batch(cursor=cursor)
            return
        whole, done = "session" not in run, False
        while not done:
            page = self._page(name, group, run)
            if not page["results"] and _promised(page) > run.get("page", 0) * (page.get("page_size") or PAGE):
                page = self._page(name, group, run)
            rows = [_with_text_id(row) for row in page["results"]]
            done = len(rows) < (page.get("page_size") or PAGE)
            run = {**run, "session": page.get("session_id"), "page": run.get("page", 0) + 1}
            if not done and not run["session"]:
                raise ShapeError("engage gave no session id to go on with.", vendor="mixpanel")
            place = {"listed": run["began"]} if done else run
            if not rows and run["page"] == 1 and "listed" not in run:
                place = {}  # a first listing without anybody looks like an outage: it is asked for again
            yield Batch(rows, dump(place), server_time=self._clock.now(), full=whole and done)

    def readable(self) -> None:
        """Ask for a profile nobody has. Raises what stands in the way, such as a plan without the query API (402)."""
        form = {"distinct_id": "holdfast-check"}
        self._http.request("POST", "api/query/engage", params=self._query, data=form, purpose="check", repeatable=True)

    def _begin(self, state: Mapping[str, Any]) -> State | None:
        """A new listing; None when the last one is less than a day old."""
        now = self._clock.now()
        last = state.get("listed")
        if last is not None and now - datetime.fromisoformat(last) < DAILY:
            return None
        return {**state, "began": now.isoformat()}

    def _page(self, name: str, group: str | None, run: State) -> State:
        form: State = {"data_group_id": group} if group else {}
        form |= {"output_properties": self._properties[name]} if name in self._properties else {}
        form |= {"session_id": run["session"], "page": run["page"]} if "session" in run else {}
        try:
            response = self._http.request(
                "POST", "api/query/engage", params=self._query, data=form, purpose=name, repeatable=True
            )
        except RequestError as error:
            if error.status == 400 and "session" in run:
                raise CursorExpiredError(error.message, vendor="mixpanel", status=400) from None
            raise
        return _checked(response.content, run.get("page", 0))


def _checked(body: bytes, asked: int) -> State:
    """A page of profiles. Raises `ShapeError` when it is not the one that was asked for."""
    try:
        page = from_json(body)
    except ValueError:
        raise ShapeError("engage answered with JSON that is not complete.", vendor="mixpanel") from None
    rows = page.get("results") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise ShapeError("a page of profiles holds no list of records.", vendor="mixpanel")
    if page.get("page", asked) != asked:
        raise ShapeError(f"engage answered page {page['page']} when asked for {asked}.", vendor="mixpanel")
    result: State = page
    return result


def _promised(page: State) -> int:
    """How many profiles Mixpanel says there are; 0 when it does not say."""
    total = page.get("total")
    return total if isinstance(total, int) else 0


def _with_text_id(row: Any) -> Row:
    """Ids are text everywhere else; here a numeric one comes as a JSON number. What is no object gets no id at all."""
    if not isinstance(row, dict):
        return {"unreadable": row}
    number = row.get("$distinct_id")
    return {**row, "$distinct_id": str(number)} if isinstance(number, int) else row
