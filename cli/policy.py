"""What the config allows to be written, as the agent wants to know it."""

import difflib
from collections.abc import Sequence
from dataclasses import fields

from cli.config import Config, InvalidConfigError
from connectors.base import ObjectName
from sync.guard import Limits
from sync.owned import OwnedField
from sync.policy import Policy


def policy_of(config: Config, owned: Sequence[OwnedField]) -> Policy:
    """The policy that a config asks for.

    Raises:
        InvalidConfigError: `writeback.edits` names a field that does not exist.
    """
    writeback = config.writeback
    known = [field.logical for field in owned]
    for name in writeback.edits:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InvalidConfigError(
                f"{config.path}: writeback.edits: unknown field {name!r}.{hint} Allowed: {', '.join(known)}."
            )
    limits = {field.name: getattr(config.guard, field.name) for field in fields(Limits)}
    return Policy(
        writeback.human_edits,
        writeback.contacts,
        writeback.tasks,
        writeback.fallback_owner,
        writeback.budget_share,
        edits=writeback.edits,
        only_approved=writeback.policy == "approve",
        plan_max_age=writeback.plan_max_age,
        guard=Limits(**limits) if config.guard.enabled else None,
        trusted=config.guard.trusted,
        team=config.team,
        hierarchy=config.hierarchy,
        quality=config.quality,
    )


def written(policy: Policy) -> frozenset[ObjectName]:
    """The kinds of record that a policy lets us write."""
    kinds: dict[ObjectName, bool] = {"account": True, "contact": policy.contacts, "task": policy.tasks}
    return frozenset(kind for kind, allowed in kinds.items() if allowed)
