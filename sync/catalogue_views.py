"""What every column of the views means; `sync/migrations_views.py` has their SQL."""

from sync.columns import Column, Table

_ID = Column("account_id", "text", "The account's id in the CRM.")
_NAME = Column("account_name", "text", "The account's name in the CRM; its id where it has none.")
_SCORE = Column("score", "integer", "Health, 0 worst and 100 best; empty when unknown.", "0-100")
_HEALTH = Column("health", "integer", "Health as a grade, 1 worst and 5 best; empty when unknown.", "1-5")
_BAND = Column("band", "text", "The band that holds: red, yellow, green or unknown.")
_COMPUTED = Column("band_computed", "text", "The band that the score alone asks for, before settling and overrides.")
_COVERAGE = Column("coverage", "integer", "How much of the card's weight has data that is there and fresh.", "percent")
_TREND = Column("trend", "integer", "Change of the score a week over eight weeks; empty when not known.", "hundredths")
_REASON = Column("reason", "text", "Why the score is what it is, in words.")
_HELD = Column("held", "text", "Why the band is not the computed one, or that the account is frozen; else empty.")
_RULE = Column("rule", "text", "The hard rule of the card that decided the band; else empty.")
_CARD = Column("card", "text", "Name of the scorecard.")
_STAGE = Column("stage", "text", "Stage of the customer's life, such as onboarding or at_risk; empty when unknown.")
_RFM = Column("rfm", "text", "RFM group, such as champions; empty when unknown.")
_SEGMENTS = Column("segments", "json", "Names of the segments, as a JSON list.")
_OWNER = Column("owner_id", "text", "CRM id of the account's owner, a colleague.")
_OWNER_NAME = Column("owner_name", "text", "The owner's name or e-mail address.", personal=True)
_PLAN = Column("plan", "text", "The product plan they pay for.")
_MRR = Column("mrr_minor", "integer", "Monthly recurring revenue in minor units of `currency`.", "minor units")
_CURRENCY = Column("currency", "text", "ISO 4217 code of `mrr_minor`.")
_CUSTOMER_SINCE = Column("customer_since", "day", "First day as a paying customer.")
_CHANNEL = Column("channel", "text", "How the customer was won, as the CRM calls it.")
_RUN = Column("run_id", "integer", "The run that found it so; see `v_run`.")
_AT = Column("at", "instant", "When the agent saw it.")
_SINCE = Column("since", "instant", "Since when this row says the same.")
_PLAYBOOK = Column("playbook", "text", "Name of the playbook or trigger; followed by /step, where it has several.")


def _moves(what: str) -> tuple[Column, ...]:
    return (
        _AT,
        _ID,
        _NAME,
        Column(f"{what}_before", "text", f"The {what} that it left; `not scored` before the agent scored it."),
        Column(f"{what}_after", "text", f"The {what} that it came to; `churned` when it is not scored any more."),
        Column("run_id", "integer", "The run that found it so; empty when the account only ceased to be scored."),
    )


def _cohort(*by: Column) -> tuple[Column, ...]:
    return (
        Column("start_month", "day", "First day of the month in which these accounts became customers."),
        *by,
        Column("months_since", "integer", "Months after it; only months that are over.", "months"),
        Column("accounts", "integer", "Accounts that began then, where it is known what became of them.", "count"),
        Column("retained", "integer", "Those of them that were customers when the month was over.", "count"),
        Column("end_unknown", "integer", "Others: no customers now, nobody knows since when.", "count"),
    )  # fmt: skip


_COLUMNS: dict[str, tuple[Column, ...]] = {
    "v_account": (
        _ID, _NAME,
        Column("crm", "text", "Name of the CRM's source in the config."),
        _SCORE, _HEALTH, _BAND,
        Column("band_since", "instant", "Since when this band holds."),
        Column("band_asked", "text", "Another band that the score asks for and that does not hold yet; else empty."),
        Column("band_asked_since", "instant", "Since when it asks for that one."),
        _COMPUTED, _TREND, _COVERAGE, _REASON, _HELD, _RULE, _CARD, _STAGE, _RFM, _SEGMENTS, _OWNER, _OWNER_NAME,
        _PLAN, _MRR, _CURRENCY, _CUSTOMER_SINCE,
        Column("renewal_date", "day", "Day the current term ends."),
        Column("lifecycle", "text", "The CRM's own lifecycle stage."),
        _CHANNEL,
        Column("parent_id", "text", "CRM id of the parent company."),
        Column("created_at", "instant", "When the account was made in the CRM."),
        Column("left_at", "instant", "When it ceased to be scored: no customer any more; empty for customers."),
        Column("in_crm", "boolean", "Whether the CRM still has the account."),
        _SINCE, _RUN,
    ),
    "v_driver": (
        _ID, _NAME,
        Column("signal", "text", "Name of the signal on the card."),
        Column("points", "integer", "What it gives, 100 worst, 500 best; empty when unknown.", "hundredths"),
        Column("weight", "integer", "Its weight on the card; 0 where no source can tell it.", "points"),
        Column("value", "integer", "The value of its feature; docs/features.md has the unit."),
        Column("fresh", "integer", "How much its kind of record still counts, by the age of its source.", "percent"),
    ),
    "v_feature": (
        _ID, _NAME,
        Column("feature", "text", "Name of the feature; docs/features.md has its unit and meaning."),
        Column("value", "integer", "Its value, of a feature that is a number."),
        Column("word", "text", "Its value, of one that is a word."),
    ),
    "v_segment": (_ID, _NAME, Column("segment", "text", "A segment that the account is in."), _SINCE),
    "v_score_history": (
        _ID, _NAME,
        Column("valid_from", "instant", "When the account came to stand like this."),
        Column("valid_to", "instant", "When it came to stand otherwise; empty while it does."),
        _SCORE, _HEALTH, _BAND, _COMPUTED, _COVERAGE, _TREND, _STAGE, _RFM, _SEGMENTS, _REASON, _HELD, _RULE, _CARD,
        _OWNER, _RUN,
    ),
    "v_band_change": _moves("band"),
    "v_stage_change": _moves("stage"),
    "v_segment_change": (
        _AT, _ID, _NAME,
        Column("segment", "text", "Name of the segment."),
        Column("change", "text", "`entered` or `left`."),
        Column("run_id", "integer", "The run that found it so; empty when the account only ceased to be scored."),
    ),
    "v_task": (
        Column("task_id", "text", "The task's id in the CRM."),
        _ID, _NAME, _PLAYBOOK,
        Column("variant", "text", "Which wording, of a playbook that tries several; else empty."),
        Column("subject", "text", "The task's subject; empty once the account was forgotten."),
        Column("owner_id", "text", "CRM id of the colleague whose task it is."),
        Column("owner_name", "text", "Name or e-mail address of that colleague.", personal=True),
        Column("band_then", "text", "Band of the account when the task was planned."),
        Column("band_now", "text", "Its band now."),
        Column("event_at", "instant", "When that happened which the task is about."),
        Column("created_at", "instant", "When the task was planned."),
        Column("due_at", "instant", "By when it was to be done."),
        Column("moved_to", "instant", "The date to which somebody moved it; else empty."),
        Column("read_at", "instant", "When it was last read back."),
        Column("ended_at", "instant", "When it was closed, or seen to be gone."),
        Column("outcome", "text", "`open`, `in_time`, `late` or `gone`. Open and past its date is overdue."),
        _RUN,
    ),
    "v_withheld": (
        _ID, _NAME, _PLAYBOOK,
        Column("rule", "text", "What holds it back."),
        Column("why", "text", "That in words."),
        _SINCE,
        Column("until", "instant", "When it is looked at again, at the latest."),
        Column("ended_at", "instant", "When it was withheld no longer; empty while it is."),
    ),
    "v_cohort": _cohort(),
    "v_cohort_detail": _cohort(_PLAN, _CHANNEL),
    "v_account_month": (
        Column("month", "day", "First day of the month."),
        Column("complete", "boolean", "Whether the month is over; else the row says how things stand now."),
        _ID, _NAME, _SCORE, _HEALTH, _BAND, _COVERAGE, _STAGE, _RFM, _SEGMENTS, _OWNER, _PLAN, _MRR, _CURRENCY,
        _CUSTOMER_SINCE,
        Column("start_month", "day", "First day of the month in which they became a customer: the cohort."),
    ),
    "v_source": (
        Column("source", "text", "Name of the source in the config."),
        Column("stream", "text", "The vendor's word for the kind of record."),
        Column("record", "text", "Kind of common record that it becomes."),
        Column("state", "text", "`ok`, `failed`, `off` (not read) or `incomplete` (never read to its end)."),
        Column("complete_at", "instant", "Up to when it is known; its age counts from here."),
        Column("listed_at", "instant", "When it was last listed from start to end."),
        Column("started_at", "instant", "When the last pull began."),
        Column("finished_at", "instant", "When that ended; empty while it runs."),
        Column("records", "integer", "Live records held; of usage, events.", "count"),
        Column("last_rows", "integer", "Rows of the last pull.", "count"),
        Column("last_rejects", "integer", "Rows of the last pull that could not become records.", "count"),
        Column("problem", "text", "Why it is off or failed; else empty."),
        Column("clock_skew_seconds", "integer", "The vendor's clock less ours.", "seconds"),
    ),
    "v_change": (
        Column("operation", "integer", "Number of the operation in the ledger."),
        Column("object", "text", "`account` or `contact`."),
        Column("record_id", "text", "The record's id in the CRM."),
        Column("account_name", "text", "Name of the account; empty for people."),
        Column("field", "text", "The field in the CRM."),
        Column("value_before", "text", "What it said before, as text; lists as JSON, instants in ISO 8601."),
        Column("value_after", "text", "What was written, likewise."),
        Column("state", "text", "`confirmed`; `rolled_back` or `undo_skipped` once an undo has dealt with it."),
        Column("sent_at", "instant", "When it was sent; empty when the CRM said it already."),
        Column("updated_at", "instant", "When its state last changed."),
        Column("undoes", "integer", "The operation that it takes back; else empty."),
        _RUN,
    ),
    "v_run": (
        Column("run_id", "integer", "Its number."),
        Column("mode", "text", "What it was to do, such as `dry` or `apply`."),
        Column("started_at", "instant", "When it began."),
        Column("ended_at", "instant", "When it ended; empty while it runs, or when it was killed."),
        Column("status", "text", "How it ended, such as `done`, `partial`, `held` or `failed`."),
        Column("fields_planned", "integer", "Fields that it planned to write.", "count"),
        Column("tasks_planned", "integer", "Tasks that it planned to make.", "count"),
        Column("rows_read", "integer", "Rows that it received from all sources.", "count"),
        Column("write_calls", "integer", "API calls that it wrote with.", "count"),
    ),
    "v_contact": (
        Column("contact_id", "text", "The person's id in the CRM.", personal=True),
        Column("email", "text", "Their e-mail address.", personal=True),
        Column("title", "text", "Their job title.", personal=True),
        Column("role", "text", "The part they play, such as champion; empty when unknown.", personal=True),
        _ID, _NAME, _SCORE, _HEALTH, _BAND, _COVERAGE, _SEGMENTS, _REASON, _OWNER,
        Column("last_login_at", "instant", "Last sign-in that the CRM knows of.", personal=True),
        _SINCE, _RUN,
    ),
}  # fmt: skip

_TITLES = {
    "v_account": "One account as it stands, with those that left while they were watched.",
    "v_driver": "One signal of an account's score.",
    "v_feature": "One fact about an account, as its latest score saw it; unknown ones are left out.",
    "v_segment": "One account in one segment, now.",
    "v_score_history": "How an account stood from `valid_from` up to, not including, `valid_to`.",
    "v_band_change": "An account's way from one band to another.",
    "v_stage_change": "An account's way from one stage to another.",
    "v_segment_change": "An account that entered or left a segment.",
    "v_task": "A follow-up task in the CRM, and its outcome.",
    "v_withheld": "An action that waits, or did, and why; kept 400 days once over.",
    "v_cohort": "The accounts that began in one month, and how many were kept so many months later.",
    "v_cohort_detail": "The same by today's plan and by channel.",
    "v_account_month": "One account as it stood when a month was over; wide, for tools that know no validity.",
    "v_source": "One kind of record of one source, and how fresh it is.",
    "v_change": "One field that was written into the CRM, as far back as the ledger is kept.",
    "v_run": "One run of the agent.",
    "v_contact": "One person as they stand.",
}

_KEYS = {
    "v_driver": "account_id signal",
    "v_feature": "account_id feature",
    "v_segment": "account_id segment",
    "v_score_history": "account_id valid_from",
    "v_band_change": "account_id at band_after",
    "v_stage_change": "account_id at stage_after",
    "v_segment_change": "account_id at segment change",
    "v_task": "task_id",
    "v_withheld": "account_id playbook rule since",
    "v_cohort": "start_month months_since",
    "v_cohort_detail": "start_month plan channel months_since",
    "v_account_month": "month account_id",
    "v_source": "source stream",
    "v_change": "operation field",
    "v_run": "run_id",
    "v_contact": "contact_id",
}

_STAMPS = {
    "v_score_history": "valid_from valid_to",
    "v_band_change": "at",
    "v_stage_change": "at",
    "v_segment_change": "at",
    "v_task": "created_at read_at ended_at",
    "v_change": "updated_at",
}

VIEW_TABLES: tuple[Table, ...] = tuple(
    Table(
        name,
        _TITLES[name],
        tuple(_KEYS.get(name, "account_id").split()),
        columns,
        f"SELECT * FROM {name}",
        tuple(_STAMPS.get(name, "").split()),
        "object = 'account'" if name == "v_change" else "",
        personal=name == "v_contact",
    )
    for name, columns in _COLUMNS.items()
)
"""The views, in the order of the documentation."""
