"""What the admin allows to be written, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from scoring.hierarchy import Hierarchy
from scoring.playbooks import Team
from sync.guard import Limits
from sync.plan import MAX_AGE
from sync.quality import Name, Quality

HumanEdits = Literal["keep", "overwrite", "ask"]


@dataclass(frozen=True, slots=True)
class Policy:
    """What the admin allows to be written.

    Attributes:
        human_edits: What happens to a field of ours that somebody changed in the CRM, unless `edits` says otherwise.
        budget_share: Part of the CRM's calls, of each period it counts, that the writing of one run may take.
        edits: Our name of a field -> what happens when somebody changed it.
        only_approved: Only plans that somebody approved are written.
        plan_max_age: Seconds for which a saved plan may be applied.
        guard: How much a run may change by itself. None: no guard at all, neither over sources nor plans nor while
            writing, and the first fill needs no word of a person; for tests, and for programs that look themselves.
        team: When the team works and who plays which part in it.
        hierarchy: How scores go up to parents and down to people.
        quality: How good the data must be before the first fill.
        trusted: Sources ("mixpanel") and streams ("mixpanel/events") that are believed whatever they say.
    """

    human_edits: HumanEdits = "keep"
    contacts: bool = True
    tasks: bool = True
    fallback_owner: str | None = None
    budget_share: float = 0.10
    edits: Mapping[str, HumanEdits] = field(default_factory=dict)
    only_approved: bool = False
    plan_max_age: int = MAX_AGE
    guard: Limits | None = field(default_factory=Limits)
    trusted: tuple[str, ...] = ()
    team: Team = field(default_factory=Team)
    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    quality: Quality = field(default_factory=Quality)


def accepting(policy: Policy, names: Sequence[Name]) -> Policy:
    """The same policy, with further measures of the data accepted below their pass mark."""
    accept = tuple(dict.fromkeys([*policy.quality.accept, *names]))
    return replace(policy, quality=policy.quality.model_copy(update={"accept": accept}))
