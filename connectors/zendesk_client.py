"""zenpy on our own session.

zenpy sends nothing itself here: its session passes every call on to `Http`, so that timeouts, retry, rate buckets,
redaction and typed errors are ours and none of zenpy's own (endless waiting on 429, no retry of 502, three families of
exceptions, a ValueError for an HTTP date in Retry-After) ever come into play. A client is made for each call, since
zenpy is not thread-safe; it keeps no cache, has no rate limit or budget of its own, and its lazy attributes, each of
which would be a request, are never touched.
"""

from typing import Any

import requests

from connectors.errors import ConnectorError, ShapeError
from connectors.http import Http


class Client:
    """The low-volume calls.

    Args:
        http: The account's session.
        subdomain: What zenpy builds its addresses from.
    """

    def __init__(self, http: Http, subdomain: str) -> None:
        self._http = http
        self._subdomain = subdomain

    def me(self) -> dict[str, Any]:
        """The signed-in user as plain values; without an id when Zendesk does not know us."""
        try:
            user: dict[str, Any] = self._zenpy().users.me().to_dict()
        except ConnectorError:
            raise
        except Exception as error:  # noqa: BLE001 - what zenpy raises over a strange body has no common family
            kind = type(error).__name__
            raise ShapeError(f"users/me answered without a user ({kind}).", vendor="zendesk") from None
        return user

    def _zenpy(self) -> Any:
        from zenpy import Zenpy

        session = _Session(self._http, f"https://{self._subdomain}.zendesk.com")
        return Zenpy(subdomain=self._subdomain, session=session, disable_cache=True)


class _Session(requests.Session):
    """What zenpy takes for its session.

    zenpy can only build addresses of the form https://SUBDOMAIN.zendesk.com and recognises an answer by the address it
    was asked at. So the path goes to `Http`, which knows where the account really answers, and the answer comes back
    under the address that zenpy used.
    """

    authorized = True
    """Tells zenpy that authentication is taken care of: `Http` adds it."""

    def __init__(self, http: Http, origin: str) -> None:
        super().__init__()
        self._http = http
        self._origin = origin

    def request(self, method: str | bytes, url: str | bytes, *_args: Any, **kwargs: Any) -> requests.Response:
        """Pass a call on; zenpy's own time-out is not taken over."""
        asked = str(url).removeprefix(self._origin)
        response = self._http.request(
            str(method), asked, params=kwargs.get("params"), json=kwargs.get("json"), purpose="check"
        )
        shown = response.request.copy()
        shown.url = f"{self._origin}{asked}"
        response.request = shown
        return response
