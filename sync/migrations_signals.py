"""Columns for what vendors tell and scoring can use: how tickets are answered, when a card expires, who opens mails."""

COLUMNS = {
    "account": ("channel TEXT",),
    "contact": ("email_opt_out INTEGER", "do_not_call INTEGER", "role TEXT"),
    "survey_response": ("themes TEXT",),
    "ticket": ("replies INTEGER", "channel TEXT"),
    "subscription": ("card_expires INTEGER",),
    "activity": ("tracked INTEGER", "opened_at INTEGER", "clicked_at INTEGER"),
}
"""Kind -> columns added to its table and to its history."""


def steps() -> list[str]:
    """The statements, in order."""
    return [
        f"ALTER TABLE {kind}{past} ADD COLUMN {column}"
        for kind, columns in COLUMNS.items()
        for column in columns
        for past in ("", "_history")
    ]
