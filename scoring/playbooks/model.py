"""Playbooks, triggers, suppressions and caps, as a card writes them."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from scoring.playbooks.text import LINK_WORDS, checked, customer_safe
from scoring.segments import MAX_RULE
from scoring.signals import Line, Name

Priority = Literal["low", "medium", "high"]
URGENCY: tuple[Priority, ...] = ("high", "medium", "low")
"""What goes first of two tasks that weigh the same."""

Purpose = Literal["help", "request", "winback", "offer"]
"""What a step is to the customer: help with what is wrong, a request (survey, referral), a win-back, or an offer."""
OUTREACH: tuple[Purpose, ...] = ("request", "winback", "offer")
"""Everything but help: what must not reach somebody who is in trouble with us."""

OWNER = "account_owner, fallback, role:NAME or least_loaded:NAME (of [team.roles])"
_OWNER = re.compile(r"account_owner|fallback|(role|least_loaded):[a-z][a-z0-9_]{0,39}")


def _owner(text: str) -> str:
    if not _OWNER.fullmatch(text):
        raise ValueError(f"must be {OWNER}; names of roles are small letters, digits and _")
    return text


Owner = Annotated[str, AfterValidator(_owner)]
RuleText = Annotated[str, Field(min_length=1, max_length=MAX_RULE)]


class Closed(BaseModel):
    """A table without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Variant(Closed):
    """Another wording of a playbook's first task, to be compared."""

    subject: str = Field(min_length=1, max_length=120, description="One line.")
    body: str = Field(min_length=1, max_length=4000, description="The text.")

    _fit = field_validator("subject", "body")(lambda text: customer_safe(text))  # noqa: PLW0108  # pydantic needs a function of its own


class Step(Closed):
    """One step of a playbook after its first task."""

    name: Name = Field(description="Told from the other steps by it; part of the task's key.")
    kind: Literal["human", "auto"] = Field("human", description="A task for a person, or a segment that tools act on.")
    purpose: Purpose = Field("help", description="help, request, winback or offer: outreach that is not help may wait.")
    when: RuleText | None = Field(None, description="Only where this rule holds, such as 'value >= 80'.")
    after_days: StrictInt = Field(0, ge=0, le=365, description="Working days after the start of the episode.")
    segment: Name | None = Field(None, description="For an auto step: the account carries it while the episode lasts.")
    owner: Owner = Field("account_owner", description=f"Who gets it: {OWNER}.")
    second_owner: Owner | None = Field(None, description="Who gets a second task beside, such as role:executive.")
    due_days: StrictInt = Field(1, ge=0, le=365, description="Working days from when the step begins.")
    due_hours: StrictInt | None = Field(None, ge=1, le=8760, description="Instead: working hours.")
    within_hours: StrictInt | None = Field(None, ge=1, le=8760, description="At the latest, in hours of the clock.")
    priority: Priority = Field("medium", description="How urgent.")
    subject: str = Field(
        "", max_length=120, description="One line; {account}, {band}, {drivers} and {link} are filled."
    )
    body: str = Field("", max_length=4000, description="The text, in words a customer may read; same placeholders.")

    _fit = field_validator("subject", "body")(lambda text: customer_safe(text))  # noqa: PLW0108  # as above

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind == "human" and not (self.subject.strip() and self.body.strip()):
            raise ValueError("a human step needs subject and body")
        if self.kind == "human" and self.segment is not None:
            raise ValueError("a segment is the effect of an auto step")
        if self.kind == "auto" and self.segment is None:
            raise ValueError("an auto step needs the segment that it puts accounts into")
        return self


class Playbook(Closed):
    """What happens when an account enters a band, or when a trigger begins to hold."""

    name: Name = Field(description="The heading of its table.")
    task: StrictBool = Field(True, description="False for a playbook that asks nothing of anybody.")
    reason: str = Field("", max_length=255, description="Why there is no task; required when there is none.")
    purpose: Purpose = Field("help", description="help, request, winback or offer: outreach that is not help may wait.")
    owner: Owner = Field("account_owner", description=f"Who gets it, else the fallback owner of the config: {OWNER}.")
    second_owner: Owner | None = Field(None, description="Who gets a second task beside, such as role:executive.")
    due_days: StrictInt = Field(1, ge=0, le=365, description="Working days from the start of the episode.")
    due_hours: StrictInt | None = Field(None, ge=1, le=8760, description="Instead: working hours.")
    within_hours: StrictInt | None = Field(None, ge=1, le=8760, description="At the latest, in hours of the clock.")
    priority: Priority = Field("medium", description="How urgent.")
    impact: StrictInt = Field(3, ge=1, le=5, description="How much it helps, 1 to 5; over effort it ranks playbooks.")
    effort: StrictInt = Field(3, ge=1, le=5, description="How much work it is, 1 to 5.")
    subject: str = Field(
        "", max_length=120, description="One line; {account}, {band}, {drivers} and {link} are filled."
    )
    body: str = Field("", max_length=4000, description="The text, in words a customer may read; same placeholders.")
    link: str = Field("", max_length=500, description="An address for {link}; {account_id} is filled in.")
    variants: dict[str, Variant] = Field(
        default_factory=dict,
        max_length=9,
        description="Other wordings by name; each account gets one of them for good.",
    )
    steps: tuple[Step, ...] = Field((), max_length=9, description="What follows the first task, in order.")
    cooldown_days: StrictInt = Field(14, ge=0, le=365, description="Coming back sooner goes on with the old episode.")
    on_first_sight: StrictBool = Field(False, description="Also for accounts that already are there on the first run.")
    close_when_clear: StrictBool = Field(
        False, description="Take its open tasks away that nobody touched once the account needs them no more."
    )
    escalate_after_days: StrictInt | None = Field(
        None, ge=1, le=365, description="Working days after the due date on which an open task escalates; once."
    )
    escalate_to: Owner = Field("fallback", description=f"Who gets that further task: {OWNER}.")

    _fit = field_validator("subject", "body")(lambda text: customer_safe(text))  # noqa: PLW0108  # as above

    @field_validator("link")
    @classmethod
    def _link(cls, link: str) -> str:
        if link and not re.match(r"https?://[^\s]+$", link):
            raise ValueError("must be an address that begins with https://")
        return checked(link, LINK_WORDS)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.task and not (self.subject.strip() and self.body.strip()):
            raise ValueError("a playbook with a task needs subject and body")
        if not self.task and not self.reason.strip():
            raise ValueError("a playbook without a task needs a reason")
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same name")
        texts = [self.subject + self.body, *(step.subject + step.body for step in self.steps)]
        if not self.link and any("{link}" in text for text in texts):
            raise ValueError("{link} needs the address in link")
        return self

    @property
    def acts(self) -> bool:
        """Whether it does anything: has a task or a step."""
        return self.task or bool(self.steps)

    @property
    def rank(self) -> int:
        """Impact over effort, in percent: what to do first."""
        return 100 * self.impact // self.effort

    @cached_property
    def sequence(self) -> tuple[tuple[str, Step], ...]:
        """Every step in order with the name its tasks go by; the first task goes by the playbook's own."""
        first = Step.model_construct(
            name=self.name, kind="human", purpose=self.purpose, when=None, after_days=0, segment=None,
            owner=self.owner, second_owner=self.second_owner, due_days=self.due_days, due_hours=self.due_hours,
            within_hours=self.within_hours, priority=self.priority, subject=self.subject, body=self.body,
        )  # fmt: skip
        begin = ((self.name, first),) if self.task else ()
        return (*begin, *((f"{self.name}/{step.name}", step) for step in self.steps))

    def rules(self) -> Iterator[tuple[str, str]]:
        """Every rule with its place in the table."""
        for i, step in enumerate(self.steps):
            if step.when is not None:
                yield f"steps.{i}.when", step.when


_TIMELINE = re.compile(r"^([1-9]\d{0,3})([hd])$")


class Trigger(Closed):
    """An event that calls for a follow-up by itself, whatever the band."""

    name: Name = Field(description="The heading of its table; its tasks go by it.")
    enabled: StrictBool = Field(True, description="False keeps it ready but silent.")
    when: RuleText | None = Field(None, description="It holds where this rule does.")
    segment: Name | None = Field(None, description="Instead: it holds for accounts in this segment.")
    since: str | None = Field(
        None, description="Feature that counts hours or days since the event: due dates count from the event itself."
    )
    who: Owner = Field(description=f"Who acts: {OWNER}.")
    message: str = Field(min_length=1, max_length=4000, description="The task's text, in words a customer may read.")
    timeline: str = Field(description='By when: "24h" in hours of the clock, "2d" in working days.')
    reason: Line = Field(description="Why, for colleagues: kept with the plan, never sent to the CRM.")
    subject: str = Field(min_length=1, max_length=120, description="One line; {account} is filled in.")
    purpose: Purpose = Field("help", description="help, request, winback or offer: outreach that is not help may wait.")
    priority: Priority = Field("medium", description="How urgent.")
    timer: StrictBool = Field(False, description="True says that a rule on nothing but time is meant.")
    impact: StrictInt = Field(3, ge=1, le=5, description="How much it helps, 1 to 5.")
    effort: StrictInt = Field(3, ge=1, le=5, description="How much work it is, 1 to 5.")
    link: str = Field("", max_length=500, description="An address for {link}; {account_id} is filled in.")
    second_owner: Owner | None = Field(None, description="Who gets a second task beside.")
    steps: tuple[Step, ...] = Field((), max_length=9, description="What follows, in order.")
    variants: dict[str, Variant] = Field(default_factory=dict, max_length=9, description="Other wordings by name.")
    cooldown_days: StrictInt = Field(30, ge=0, le=365, description="Holding again sooner makes no further task.")
    on_first_sight: StrictBool = Field(False, description="Also where it holds already when first looked at.")
    close_when_clear: StrictBool = Field(False, description="Take its untouched open task away when it holds no more.")
    escalate_after_days: StrictInt | None = Field(None, ge=1, le=365, description="As of a playbook.")
    escalate_to: Owner = Field("fallback", description="As of a playbook.")

    _fit = field_validator("subject", "message")(lambda text: customer_safe(text))  # noqa: PLW0108  # as above

    @field_validator("timeline")
    @classmethod
    def _timeline(cls, text: str) -> str:
        if not _TIMELINE.match(text):
            raise ValueError('write hours of the clock such as "24h" or working days such as "2d"')
        return text

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.when is None) == (self.segment is None):
            raise ValueError("needs either when (a rule) or segment")
        _ = self.playbook  # which checks the rest
        return self

    @cached_property
    def playbook(self) -> Playbook:
        """The same as a playbook."""
        number, unit = _TIMELINE.findall(self.timeline)[0]
        same = {
            name: getattr(self, name)
            for name in Playbook.model_fields
            if name in Trigger.model_fields and name not in ("reason", "steps", "variants")
        }
        due = {"due_days": int(number)} if unit == "d" else {"within_hours": int(number), "due_hours": int(number)}
        more = {"owner": self.who, "body": self.message, "steps": self.steps, "variants": self.variants}
        return Playbook.model_validate({**same, **due, **more})


class Suppression(Closed):
    """When outreach waits, whatever calls for it."""

    name: Name = Field(description="The heading of its table; the rule that `holdfast withheld` names.")
    when: RuleText | None = Field(None, description="Outreach waits where this rule holds.")
    since: str | None = Field(None, description="Feature that counts hours or days since the event.")
    days: StrictInt = Field(14, ge=1, le=365, description="With since: so many days after the event.")
    stops: tuple[Purpose, ...] = Field(OUTREACH, min_length=1, description="Which purposes wait.")
    tag: Name | None = Field(
        None,
        description="Segment of contacts that all people of the account carry while it holds: other tools stop too.",
    )
    reason: Line = Field(description="Why, for colleagues.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.when is None and self.since is None:
            raise ValueError("needs when (a rule), since (a feature), or both")
        return self


class Caps(Closed):
    """How many new tasks there may be."""

    account_tasks: StrictInt = Field(3, ge=1, le=100, description="New tasks on one account ...")
    account_days: StrictInt = Field(7, ge=1, le=365, description="... within so many days, over all playbooks.")
    owner_per_day: StrictInt = Field(25, ge=1, le=1000, description="New tasks for one person on one day.")
