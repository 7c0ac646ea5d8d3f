"""Pages of a Typeform form's responses, newest first, and how to go on with them in another process.

The place in a form: `top`, when the newest response we have was given, `all`, whether the form is to be listed whatever
its age, and while a listing is under way its `walk`: the token behind which the next page begins.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from connectors.errors import RequestError, ShapeError
from connectors.http import Http
from connectors.place import State, instant

PAGE = 1_000
OVERLAP = timedelta(hours=2)
"""How far back we ask once more: an answer may come to be seen half an hour after a newer one."""
AGAIN = 3
"""Times a page is asked for that came empty although there is more."""


class Pages:
    """Reads forms and their responses."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def definition(self, form: str, purpose: str) -> Mapping[str, Any]:
        """A form's questions.

        Raises:
            NotFoundError: There is no such form.
        """
        found = self._http.json("GET", f"/forms/{form}", purpose=purpose)
        if not isinstance(found, dict):
            raise ShapeError(f"form {form} came as JSON that is not an object.", vendor="typeform")
        return found

    def probe(self, form: str) -> None:
        """See whether responses may be read."""
        self._page(form, {"page_size": 1, "response_type": "completed"}, "check")

    def since(self, form: str, place: State) -> Iterator[tuple[list[Any], State]]:
        """Pages of responses, each with the place behind it.

        Raises:
            ShapeError: A page is none, or the vendor gives the same one for ever.
        """
        try:
            yield from self._walk(form, place)
        except RequestError as error:
            if error.status != 400 or "walk" not in place:
                raise
            # The response behind which we meant to go on was deleted.
            yield from self._walk(form, {key: value for key, value in place.items() if key != "walk"})

    def _walk(self, form: str, place: State) -> Iterator[tuple[list[Any], State]]:
        top = instant(place.get("top"))
        since = None if top is None or place.get("all") else top - OVERLAP
        walk: State = dict(place.get("walk") or {"seen": 0, "top": place.get("top"), "before": None})
        kept = {key: value for key, value in place.items() if key not in {"walk", "all"}}
        more, empty = True, 0
        while more:
            params: State = {"page_size": PAGE, "response_type": "completed"}
            params |= {} if since is None else {"since": since.strftime("%Y-%m-%dT%H:%M:%S")}
            params |= {} if walk["before"] is None else {"before": walk["before"]}
            page = self._page(form, params, "responses")
            rows, total = page["items"], page.get("total_items")
            walk["seen"] += len(rows)
            more = len(rows) == PAGE or (isinstance(total, int) and total > walk["seen"])
            empty = 0 if rows else empty + 1
            if not rows and more and empty < AGAIN:
                continue
            walk = {**walk, "top": _newest(rows, walk["top"])}
            walk["before"] = _last(form, rows, walk["before"]) if more else None
            behind = {**place, "walk": walk} if more else {**kept, "top": walk["top"]}
            yield rows, behind

    def _page(self, form: str, params: State, purpose: str) -> Mapping[str, Any]:
        page = self._http.json("GET", f"/forms/{form}/responses", params=params, purpose=purpose)
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise ShapeError(f"a page of responses of form {form} holds no list of them.", vendor="typeform")
        return page


def _last(form: str, rows: list[Any], before: str | None) -> str:
    """The token behind which the next page begins."""
    tokens = [row.get("token") for row in rows if isinstance(row, dict)]
    last = next((token for token in reversed(tokens) if isinstance(token, str) and token), None)
    if last is None or last == before:
        raise ShapeError(f"responses of form {form} gave the same page twice before their end.", vendor="typeform")
    return last


def _newest(rows: list[Any], top: str | None) -> str | None:
    """When the newest of these responses was given, or what was the newest before."""
    stamps = [row.get("submitted_at") for row in rows if isinstance(row, dict)]
    found = [moment for stamp in (*stamps, top) if (moment := instant(stamp)) is not None]
    return max(found).isoformat() if found else None
