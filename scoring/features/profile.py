"""What the CRM says of an account or contact itself."""

from scoring.features.base import CONTACT, SINCE_CREATED, Feature, own
from scoring.units import DAYS, FLAG, MONEY, PERCENT, TEXT

PROFILE: tuple[Feature, ...] = (
    own(
        "customer_age_days",
        DAYS,
        "Days since the first day as a customer, else since the CRM record was made.",
        "CASE WHEN customer_since BETWEEN -1000000 AND clock.today THEN clock.today - customer_since "
        f"WHEN customer_since IS NOT NULL THEN NULL {SINCE_CREATED} END",
    ),
    own("contact_age_days", DAYS, "Days since the CRM record was made.", f"CASE {SINCE_CREATED} END", levels=CONTACT),
    own(
        "days_to_renewal",
        DAYS,
        "Days until the current term ends; negative when it has ended.",
        "CASE WHEN renewal_date BETWEEN -1000000 AND 1000000 THEN renewal_date - clock.today END",
        family="commercial",
    ),
    own("mrr", MONEY, "Monthly recurring revenue, minor units of its currency.", "mrr", family="commercial"),
    own("plan", TEXT, "Product plan.", "plan"),
    own("lifecycle", TEXT, "The CRM's own lifecycle stage.", "lifecycle"),
    own("channel", TEXT, "How the customer was won, by a field that the config names.", "channel"),
    own("title", TEXT, "Job title.", "title", levels=CONTACT),
    own("email_opt_out", FLAG, "1 when they want no e-mails, as the CRM says.", "email_opt_out", levels=CONTACT),
    own("do_not_call", FLAG, "1 when they do not want to be called, as the CRM says.", "do_not_call", levels=CONTACT),
    Feature(
        "email_opt_out_share",
        PERCENT,
        "Of the account's people, how many want no e-mails; unknown where nobody is known.",
        "100 * SUM(no_email) // COUNT(*)",
        "reachable",
        kinds=("contact",),
    ),
    Feature(
        "do_not_call_share",
        PERCENT,
        "Of the account's people, how many do not want to be called; unknown where nobody is known.",
        "100 * SUM(no_call) // COUNT(*)",
        "reachable",
        kinds=("contact",),
    ),
)
"""Features of the record itself."""
