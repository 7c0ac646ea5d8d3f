"""What HubSpot keeps beside a record, folded into its row: associations, pipeline stage, currency, merges."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from connectors.base import Row
from connectors.errors import ShapeError
from connectors.hubspot_api import Api, next_after, results
from connectors.hubspot_kinds import Kind
from connectors.hubspot_values import as_instant

READ_BATCH = 100
"""Records in one batch read."""
ASSOCIATION_BATCH = 1_000
"""Records in one batch read of associations, since February 2025."""
PRIMARY_TYPES = frozenset({1, 5, 26})
"""Association types "primary company" of a contact, a deal and a ticket."""
HISTORY_BATCH = 50
"""Records in one batch read with history."""
HISTORY_AGE = timedelta(days=180)
"""Of records older than this no history is asked for."""
STAGES_LAST = 86_400.0
"""Seconds for which pipelines are remembered."""


class Fold:
    """Reads side tables of one account.

    Args:
        api: The account.
        currency: Gives the portal's currency; asked at most once.
    """

    def __init__(self, api: Api, currency: Callable[[], str | None]) -> None:
        self.api = api
        self._currency = currency
        self._stages: dict[str, tuple[float, dict[tuple[str, str], Row]]] = {}
        self._lock = threading.Lock()

    def fold(self, kind: Kind, rows: list[Row]) -> list[Row]:
        """Fold associations, pipeline stage and currency into the rows.

        Raises:
            ShapeError: They are nothing like what HubSpot documents.
        """
        with _documented(self.api.http.vendor):
            return self._fold(kind, rows)

    def _fold(self, kind: Kind, rows: list[Row]) -> list[Row]:
        if kind.links:
            cut_short = [row for row in rows if _unfold_links(kind, row)]
            self.link(kind, cut_short)
        if kind.stage and rows:
            stages = self._stages_of(kind)
            for row in rows:
                properties = _dict(row.get("properties"))
                key = tuple(str(properties.get(name)) for name in kind.stage)
                row["_stage"] = stages.get((key[0], key[1]))
        if kind.counted and rows:
            self._grown(kind, rows)
        if kind.money and rows:
            currency = self._currency()
            for row in rows:
                row["_currency"] = currency
        return rows

    def _grown(self, kind: Kind, rows: Sequence[Row]) -> None:
        """Fold in when counts last grew, as their history tells; of older records only that it was not before them."""
        since = self.api.server_now() - HISTORY_AGE
        asked: dict[str, Row] = {}
        for row in rows:
            properties = _dict(row.get("properties"))
            if grown := {name: properties.get(kind.happens) for name in kind.counted if _count(properties.get(name))}:
                row["_grown"] = grown
                happened = as_instant(properties.get(kind.happens))
                if happened is not None and happened >= since:
                    asked[str(row.get("id"))] = grown
        ids = list(asked)
        for start in range(0, len(ids), HISTORY_BATCH):
            inputs = [{"id": one} for one in ids[start : start + HISTORY_BATCH]]
            body = {"inputs": inputs, "properties": [], "propertiesWithHistory": list(kind.counted)}
            answer = self.api.json("POST", f"{kind.path}/batch/read", purpose=kind.name, body=body)
            for found in results(answer, self.api.http.vendor):
                grown = asked.get(str(found.get("id")), {})
                history = _dict(found.get("propertiesWithHistory"))
                grown |= {name: at for name in grown if (at := _last_change(history.get(name)))}

    def link(self, kind: Kind, rows: Sequence[Row]) -> None:
        """Fold in associations by batch read."""
        ids = [str(row["id"]) for row in rows if row.get("id")]
        for to in kind.links:
            found = self.associated(kind.name, to, ids, purpose=kind.name) if ids else {}
            for row in rows:
                row.setdefault("_associations", {})[to] = found.get(str(row.get("id")), [])

    def associated(self, kind: str, to: str, ids: Sequence[str], *, purpose: str) -> dict[str, list[Row]]:
        """Record id -> its associated records, primary first; records without any are left out."""
        found: dict[str, dict[str, bool]] = {}
        todo = [{"id": one} for one in dict.fromkeys(ids)]
        while todo:
            now, todo = todo[:ASSOCIATION_BATCH], todo[ASSOCIATION_BATCH:]
            path = f"/crm/v4/associations/{kind}/{to}/batch/read"
            answer = self.api.json("POST", path, purpose=purpose, body={"inputs": now})
            with _documented(self.api.http.vendor):
                for result in results(answer, self.api.http.vendor):
                    todo += _collect(result, found)
        return {owner: _sorted_links(links) for owner, links in found.items()}

    def batch_read(self, kind: str, ids: Sequence[str], properties: Sequence[str], *, purpose: str) -> list[Row]:
        """Records by id, a hundred a call, consistently; missing ones are left out."""
        rows: list[Row] = []
        unique = list(dict.fromkeys(ids))
        for start in range(0, len(unique), READ_BATCH):
            inputs = [{"id": one} for one in unique[start : start + READ_BATCH]]
            body = {"inputs": inputs, "properties": list(properties)}
            answer = self.api.json("POST", f"/crm/v3/objects/{kind}/batch/read", purpose=purpose, body=body)
            rows += results(answer, self.api.http.vendor)
        return rows

    def widen(self, kind: Kind, rows: Sequence[Row], names: Sequence[str]) -> None:
        """Read the properties that would not fit into an address or a search."""
        ids = [str(row["id"]) for row in rows if row.get("id")]
        wide = self.batch_read(kind.name, ids, names, purpose=kind.name)
        properties = {str(row.get("id")): row.get("properties") for row in wide}
        for row in rows:
            row["properties"] = properties.get(str(row.get("id"))) or row.get("properties")

    def _stages_of(self, kind: Kind) -> dict[tuple[str, str], Row]:
        """(pipeline, stage) -> what the stage means; read when a row needs it, and again after a day."""
        with self._lock:
            read_at, stages = self._stages.get(kind.name, (0.0, {}))
            now = self.api.clock.monotonic()
            if not stages or now - read_at > STAGES_LAST:
                client = self.api.client.crm.pipelines.pipelines_api
                answer = self.api.call(client.get_all, kind.name, purpose="pipelines")
                stages = {
                    (str(pipeline.get("id")), str(stage.get("id"))): _stage(stage)
                    for pipeline in results(answer, self.api.http.vendor)
                    for stage in pipeline.get("stages") or ()
                }
                self._stages[kind.name] = (now, stages)
            return stages


def _collect(result: Row, found: dict[str, dict[str, bool]]) -> list[Row]:
    """Note one record's associations; gives what to ask next when there are more of them."""
    owner = str(_dict(result.get("from")).get("id"))
    for link in result.get("to") or ():
        links = found.setdefault(owner, {})
        other = str(link.get("toObjectId"))
        links[other] = links.get(other, False) or _is_primary(link)
    after = next_after(result)
    return [] if after is None else [{"id": owner, "after": after}]


@contextmanager
def _documented(vendor: str) -> Iterator[None]:
    """Side tables are small and documented: one of another shape is an error of the vendor's, not a crash of ours."""
    try:
        yield
    except (AttributeError, TypeError) as error:
        message = f"associations or pipelines are not as documented ({error})."
        raise ShapeError(message, vendor=vendor) from error


def merged_away(kind: Kind, rows: Sequence[Row]) -> dict[str, str]:
    """Loser -> winner of every merge the rows tell of; the properties that tell are taken out of the rows.

    A merge may keep the winner's id or make a new one, and not all losers are in `hs_calculated_merged_vids`.
    """
    merged: dict[str, str] = {}
    for row in rows:
        properties = _dict(row.get("properties"))
        for name in kind.merged:
            text = properties.pop(name, None)
            for part in str(text).split(";") if text else ():
                loser = part.strip().partition(":")[0]
                if loser and loser != str(row.get("id")):
                    merged[loser] = str(row.get("id"))
    return merged


def _dict(value: Any) -> Row:
    """A JSON object; an empty one in place of anything else, since answers drift."""
    return value if isinstance(value, dict) else {}


def _count(value: Any) -> int:
    """A count as HubSpot writes it; 0 for whatever is none."""
    text = str(value or "").partition(".")[0]
    return int(text) if text.isdecimal() else 0


def _last_change(versions: Any) -> str | None:
    """When a property was last given a value."""
    listed = [one.get("timestamp") for one in versions or () if isinstance(one, dict) and _count(one.get("value"))]
    times = {moment: text for text in listed if (moment := as_instant(text)) is not None}
    return str(times[max(times)]) if times else None


def _stage(stage: Row) -> Row:
    metadata = _dict(stage.get("metadata"))
    return {"label": stage.get("label")} | {k: metadata.get(k) for k in ("isClosed", "probability", "ticketState")}


def _is_primary(link: Row) -> bool:
    return any(kind.get("typeId") in PRIMARY_TYPES for kind in link.get("associationTypes") or ())


def _sorted_links(links: Mapping[str, bool]) -> list[Row]:
    ordered = sorted(links.items(), key=lambda x: (not x[1], x[0])) if len(links) > 1 else links.items()
    return [{"id": one, "primary": primary} for one, primary in ordered]


def _unfold_links(kind: Kind, row: Row) -> bool:
    """Turn the associations that came with a list into `_associations`; True when they were cut short."""
    given = _dict(row.pop("associations", None))
    if "_associations" in row:
        return False
    folded = row["_associations"] = {}
    cut_short = False
    for to in kind.links:
        part = _dict(given.get(to))
        links: dict[str, bool] = {}
        for link in part.get("results") or ():
            other = str(link.get("id"))
            primary = kind.primary and to == "companies" and str(link.get("type")).endswith("_to_company")
            links[other] = primary or links.get(other, False)
        folded[to] = _sorted_links(links)
        cut_short = cut_short or ("paging" in part and next_after(part) is not None)
    return cut_short
