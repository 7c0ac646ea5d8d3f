"""Stripe's lists and single objects.

A list is served newest first, at most 100 a page, and goes on after the id of the last object of a page
(`starting_after`). Nothing that was made meanwhile moves what is still to come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.base import Row
from connectors.errors import CursorExpiredError, NotFoundError, RequestError, ShapeError
from connectors.http import Http

PAGE = 100
EMPTY_MOST = 3
"""How often a page without objects that promises more is asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Attributes:
        rows: Objects as sent; what is no object becomes one without an id, to be set aside like any such row.
        after: Id behind which the next page begins; None on the last page.
    """

    rows: list[Row]
    after: str | None


class Lists:
    """Reads lists and objects of one account."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        purpose: str,
        *,
        expand: Sequence[str] = (),
        after: str | None = None,
    ) -> Iterator[Page]:
        """Pages of a list.

        Args:
            path: Below "v1/".
            params: Filters.
            purpose: What the calls are counted under.
            expand: Paths of an object to be served whole in place of their ids.
            after: Where to go on.

        Raises:
            CursorExpiredError: The object to go on behind is gone.
            ShapeError: A page is none, or the list does not get on.
        """
        query = {**params, "limit": PAGE, "expand[]": [f"data.{one}" for one in expand]}
        more = True
        while more:
            page = self._page(path, {**query, **({"starting_after": after} if after else {})}, purpose)
            rows = page["data"]
            more = page.get("has_more") is True
            ids = [row["id"] for row in rows if isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"]]
            if more and (not ids or ids[-1] == after):
                raise ShapeError(f"the list of {path} does not get on behind {after}.", vendor="stripe")
            after = ids[-1] if ids else after
            whole = [row if isinstance(row, dict) else {"unreadable": row} for row in rows]
            yield Page(whole, after if more else None)

    def one(self, path: str, purpose: str, *, expand: Sequence[str] = ()) -> Row | None:
        """One object; None when Stripe does not have it (any more).

        Raises:
            ShapeError: The answer is no object of Stripe's.
        """
        try:
            row = self._http.json("GET", f"v1/{path}", params={"expand[]": list(expand)}, purpose=purpose)
        except NotFoundError:
            return None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise ShapeError(f"{path} answered with JSON that is no object with an id.", vendor="stripe")
        return row

    def _page(self, path: str, query: Mapping[str, Any], purpose: str) -> dict[str, Any]:
        for _ in range(EMPTY_MOST):
            try:
                page = self._http.json("GET", f"v1/{path}", params=query, purpose=purpose)
            except RequestError as error:
                if "starting_after" in query and names(error, "starting_after"):
                    raise CursorExpiredError(error.message, vendor="stripe", status=error.status) from None
                raise
            if not isinstance(page, dict) or not isinstance(page.get("data"), list):
                raise ShapeError(f"a page of {path} holds no list of objects.", vendor="stripe")
            if page["data"] or page.get("has_more") is not True:
                return page
        raise ShapeError(f"a page of {path} is empty and promises more, time and again.", vendor="stripe")


def names(error: RequestError, param: str) -> bool:
    """Whether a refusal is about this parameter."""
    told = error.detail.get("error") if isinstance(error.detail, dict) else None
    return isinstance(told, dict) and told.get("param") == param


def id_of(value: Any) -> str | None:
    """The id of something that comes as its id or, expanded, as itself."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) and found else None
