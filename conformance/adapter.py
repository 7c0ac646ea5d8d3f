"""The way from a connector to a simulated vendor, without a network."""

import io
import re
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

from sandbox.core import Sandbox
from sandbox.mount import SandboxAdapter


class Adapter(SandboxAdapter):
    """The way to the sandbox, on which an answer can be changed once, or something happen behind it."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.tampers: list[tuple[str, Callable[[bytes], bytes]]] = []
        self.meanwhile: tuple[str, Callable[[], object]] | None = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Pass on, then let the first change that fits the address act on the body."""
        response = super().send(request, *args, **kwargs)
        if self.meanwhile is not None and response.ok and re.search(self.meanwhile[0], request.url or ""):
            (_, happen), self.meanwhile = self.meanwhile, None
            happen()
        for number, (path, change) in enumerate(self.tampers):
            if response.ok and re.search(path, request.url or ""):
                del self.tampers[number]
                return _rebuilt(response, change)
        return response


def _rebuilt(response: requests.Response, change: Callable[[bytes], bytes]) -> requests.Response:
    body = change(response.content)
    kept = {k: v for k, v in response.headers.items() if k.lower() not in {"content-encoding", "content-length"}}
    raw = HTTPResponse(io.BytesIO(body), kept, response.status_code, preload_content=False)
    made: requests.Response = HTTPAdapter().build_response(response.request, raw)
    return made
