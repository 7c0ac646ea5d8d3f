"""What every answer of Stripe's shares: refusals, the parameters of a request, lists, and what is expanded."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from werkzeug.wrappers import Request

from sandbox.stripe_books import Json
from sandbox.stripe_render import Renderer

LEVELS = 4
"""How deep an expansion may go, the list's own "data" included."""

EXPANDABLE = frozenset(
    {
        "customer",
        "default_payment_method",
        "default_source",
        "discounts",
        "discount",
        "coupon",
        "latest_invoice",
        "tiers",
        "subscription",
    }
)


class Refusal(Exception):  # noqa: N818 - an answer with an error status, not a mistake of ours
    """An answer other than 200."""

    def __init__(self, status: int, message: str, **parts: str) -> None:
        super().__init__(message)
        self.status = status
        kind = "api_error" if status >= 500 else "invalid_request_error"
        self.body: Json = {"error": {"type": kind, "message": message, **parts}}


def missing(kind: str, number: str, param: str, status: int = 404) -> Refusal:
    """No such object."""
    return Refusal(status, f"No such {kind}: '{number}'", code="resource_missing", param=param)


class Asked:
    """The parameters of a request; what nobody knows is refused, as there.

    Args:
        request: As it came in.
    """

    def __init__(self, request: Request) -> None:
        self._args = request.args
        self.expand = [value for name in self._args for value in self._args.getlist(name) if name.startswith("expand[")]

    def only(self, names: Iterable[str]) -> None:
        """Refuse every parameter but these."""
        allowed = {*names, "limit", "starting_after"}
        for name in self._args:
            if name.partition("[")[0] not in {*allowed, "expand"} and name not in allowed:
                raise Refusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)

    def text(self, name: str) -> str | None:
        """One value."""
        found = self._args.get(name)
        return str(found) if found is not None else None

    def many(self, name: str) -> list[str]:
        """The values of a list parameter."""
        return [str(value) for value in self._args.getlist(f"{name}[]")]

    def number(self, name: str, default: int, most: int | None = None) -> int:
        """A whole number from the query."""
        text = self._args.get(name)
        if text is None:
            return default
        if not text.isdigit() or (most is not None and not 1 <= int(text) <= most):
            raise Refusal(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
        return int(text)

    def page(self, url: str, numbers: Iterable[str], render: Callable[[str], Json | None]) -> Json:
        """A list: as many as asked for, at most 100, and whether there are more."""
        limit = self.number("limit", 10, 100)
        rows: list[Json] = []
        for number in numbers:
            row = render(number)
            if row is None:
                continue
            if len(rows) == limit:
                return {"object": "list", "data": rows, "has_more": True, "url": url}
            rows.append(row)
        return {"object": "list", "data": rows, "has_more": False, "url": url}


class Expander:
    """Puts objects in the place of their ids.

    Args:
        renderer: Knows the objects.
        may: Refuses what the key has no right to.
    """

    def __init__(self, renderer: Renderer, may: Callable[[str], None]) -> None:
        self.renderer = renderer
        self.may = may

    def expand(self, body: Json, paths: Sequence[str]) -> Json:
        """Follow every path; the same object may be on several."""
        for path in paths:
            steps = path.split(".")
            if len(steps) > LEVELS:
                told = f"You cannot expand more than {LEVELS} levels of a property. Property: {path}"
                raise Refusal(400, told, param="expand")
            self._walk(body, steps, path)
        return body

    def _walk(self, value: Any, steps: Sequence[str], path: str) -> None:
        if isinstance(value, list):
            for one in value:
                self._walk(one, steps, path)
            return
        if not steps or not isinstance(value, dict) or value.get("deleted") is True:
            return
        step, rest = steps[0], steps[1:]
        if step == "tiers" and value.get("object") == "price":
            value["tiers"] = self.renderer.tiers(value["id"])
            return
        if step not in value or (not rest and step not in EXPANDABLE):
            raise Refusal(400, f"This property cannot be expanded ({path}).", param="expand")
        if step in EXPANDABLE:
            value[step] = self._whole(value[step], step)
        self._walk(value[step], rest, path)

    def _whole(self, value: Any, step: str) -> Any:
        if isinstance(value, list):
            return [self._whole(one, step) for one in value]
        if "payment_method" in step:
            self.may("payment_methods")
        return self.renderer.one(value) if isinstance(value, str) else value
