"""Pages of a survey's responses, oldest change first.

The vendor numbers its pages, and a response that is edited meanwhile moves to the end, so that all behind it move up by
one and the first of the next page is missed. So each page is asked for by the time at which the one before ended.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import ShapeError
from connectors.http import Http
from connectors.place import State, instant

PAGE = 100
OVERLAP = timedelta(minutes=10)
SECOND = timedelta(seconds=1)
AGAIN = 3
"""Times a page is asked for that came empty although there is more."""


class Pages:
    """Reads surveys and their responses.

    Args:
        http: The session.
        ask: Called before each call; raises when there are none left today.
    """

    def __init__(self, http: Http, ask: Callable[[], None]) -> None:
        self._http = http
        self._ask = ask

    def details(self, survey: str, purpose: str) -> Mapping[str, Any]:
        """A survey with its questions.

        Raises:
            NotFoundError: There is no such survey.
        """
        self._ask()
        found = self._http.json("GET", f"/v3/surveys/{survey}/details", purpose=purpose)
        if not isinstance(found, dict):
            raise ShapeError(f"survey {survey} came as JSON that is not an object.", vendor="surveymonkey")
        return found

    def probe(self, survey: str) -> None:
        """See whether responses may be read."""
        self._page(survey, {"per_page": 1}, "check")

    def since(self, survey: str, place: State, *, full: bool) -> Iterator[tuple[list[Any], State]]:
        """Pages of what was changed since `place`, each with the place behind it.

        Raises:
            ShapeError: A page is none, or the vendor gives the same one for ever.
        """
        known = instant(place.get("since"))
        begin = None if full or known is None else known - OVERLAP
        walk = place.get("walk") or {"start": begin.isoformat() if begin else None, "page": 1}
        start, number = instant(walk["start"]), int(walk["page"])
        place = {name: value for name, value in place.items() if name != "walk"}
        before, empty, more = frozenset[tuple[str, str]](), 0, True
        while more:
            page = self._page(survey, _query(start, number), "responses")
            rows, total = page["data"], page.get("total")
            more = bool((page.get("links") or {}).get("next"))
            missing = isinstance(total, int) and total > (number - 1) * PAGE
            empty = 0 if rows or not (more or missing) else empty + 1
            if empty:
                if empty == AGAIN:
                    message = f"a page of survey {survey} came empty time and again, although there is more."
                    raise ShapeError(message, vendor="surveymonkey")
                more = True
                continue
            if start is None and isinstance(total, int):
                place["pages"] = -(-total // PAGE)
            newest, keys = _newest(rows), _keys(rows)
            place["since"] = _later(place.get("since"), newest)
            if newest is not None and (start is None or newest - SECOND > start):
                start, number, keys = newest - SECOND, 1, frozenset()
            elif more and keys <= before:
                message = f"survey {survey} gave the same page twice before its end."
                raise ShapeError(message, vendor="surveymonkey")
            else:  # more were changed in one second than fit into a page
                number += 1
            before = keys
            begun = {"start": start.isoformat() if start else None, "page": number}
            yield rows, {**place, "walk": begun} if more else dict(place)

    def _page(self, survey: str, params: State, purpose: str) -> Mapping[str, Any]:
        self._ask()
        given = {"status": "completed", "sort_by": "date_modified", "sort_order": "ASC", **params}
        page = self._http.json("GET", f"/v3/surveys/{survey}/responses/bulk", params=given, purpose=purpose)
        if not isinstance(page, dict) or not isinstance(page.get("data"), list):
            raise ShapeError(f"a page of responses of survey {survey} holds no list of them.", vendor="surveymonkey")
        return page


def _query(start: datetime | None, number: int) -> State:
    since = {} if start is None else {"start_modified_at": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")}
    return {"per_page": PAGE, **since, **({} if number == 1 else {"page": number})}


def _newest(rows: list[Any]) -> datetime | None:
    found = (instant(row.get("date_modified")) for row in rows if isinstance(row, dict))
    return max((moment for moment in found if moment is not None), default=None)


def _later(known: str | None, newest: datetime | None) -> str | None:
    held = instant(known)
    later = max((moment for moment in (held, newest) if moment is not None), default=None)
    return later.isoformat() if later is not None else None


def _keys(rows: list[Any]) -> frozenset[tuple[str, str]]:
    return frozenset((str(row.get("id")), str(row.get("date_modified"))) for row in rows if isinstance(row, dict))
