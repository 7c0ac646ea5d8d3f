"""What a changed scorecard does to bands by itself: the same facts under the cards by which we last wrote.

It is said in the plan, and the guard holds a plan whose card alone moves more bands than a run may. As everywhere in
the guard, what counts is the distance from what was last *written*: a held change of the card is still there an hour
later.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scoring.inputs import ScoreRow
from sync.eras import cards_named, written_by
from sync.guard import Limits, Verdict, most
from sync.past import Past

if TYPE_CHECKING:
    from sync.run import Agent
    from sync.run_report import RunReport

NOT_SCORED = "not scored"
NAMED = 4
"""At most so many kinds of move are named."""


@dataclass(frozen=True, slots=True)
class CardChange:
    """What a changed card does.

    Attributes:
        accounts: Accounts scored by either card.
        moves: CRM id -> band by the old card and by the new one, where they differ.
    """

    accounts: int
    moves: Mapping[str, tuple[str, str]]

    @property
    def note(self) -> str:
        """One sentence for the plan, of bands that are not settled: the plan beside it may change fewer."""
        said = "The scorecard changed: before margins, waiting and overrides, "
        if not self.moves:
            return f"{said}no account changes band because of it."
        kinds = Counter(self.moves.values()).most_common()
        listed = [f"{number:,} {old} to {new}" for (old, new), number in kinds[:NAMED]]
        more = sum(number for _, number in kinds[NAMED:])
        listed += [f"{more:,} others"] if more else []
        accounts = "1 account changes" if len(self.moves) == 1 else f"{len(self.moves):,} accounts change"
        return f"{said}{accounts} band because of it ({', '.join(listed)})."

    def verdict(self, limits: Limits) -> Verdict:
        """Whether so many may change their band by themselves."""
        allowed = most(limits.band_changes, limits.band_share, self.accounts)
        text = f"{self.note} Of {self.accounts:,} accounts {allowed:,} may."
        return Verdict("card", len(self.moves), allowed, len(self.moves) > allowed, text)


def compared(old: Sequence[ScoreRow], new: Sequence[ScoreRow]) -> CardChange:
    """What the cards of two scorings of the same facts make of the accounts, settling left aside."""
    before = {row.crm_id: row.computed for row in old if row.level == "account"}
    after = {row.crm_id: row.computed for row in new if row.level == "account"}
    both = before.keys() | after.keys()
    pairs = {crm_id: (str(before.get(crm_id, NOT_SCORED)), str(after.get(crm_id, NOT_SCORED))) for crm_id in both}
    return CardChange(len(both), {crm_id: pairs[crm_id] for crm_id in sorted(both) if len({*pairs[crm_id]}) > 1})


def card_change(agent: "Agent", rows: Sequence[ScoreRow], report: "RunReport") -> CardChange | None:
    """What the cards of this run do beside those by which we last wrote; None when they are the same, or not known."""
    fingerprint = written_by(agent.store)
    cards = cards_named(agent.store, fingerprint) if fingerprint not in {"", agent.card.fingerprint} else None
    if cards is None:
        return None
    old = report.by_others.get(fingerprint)
    if old is None:
        past = Past(agent.store, agent.crm.name, [source.name for source, _ in agent.sources], agent.card)
        old = past.computed(report.as_of, cards=cards, levels=["account"], breaches=report.breaches)
    return compared(old, [row for row in rows if not row.held.startswith("frozen")])
