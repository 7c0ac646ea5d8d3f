"""The portal's properties, pipelines and property groups as they are before anybody changes them."""

from collections.abc import Mapping
from typing import Any

Row = tuple[str, str, str, str, str]
"""Name, label, type, fieldType, flags: r = read-only, c = custom (made by the admin), x = options from elsewhere."""

_LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "lifecyclestage": _LIFECYCLE,
    "hs_lead_status": ("NEW", "OPEN", "IN_PROGRESS", "UNQUALIFIED", "CONNECTED"),
    "hs_buying_role": (
        *("BLOCKER", "BUDGET_HOLDER", "CHAMPION", "DECISION_MAKER", "END_USER", "EXECUTIVE_SPONSOR", "INFLUENCER"),
        *("LEGAL_AND_COMPLIANCE", "OTHER"),
    ),
    "industry": ("COMPUTER_SOFTWARE", "FINANCIAL_SERVICES", "RETAIL", "OTHER"),
    "dealtype": ("newbusiness", "existingbusiness"),
    "deal_currency_code": ("USD", "EUR", "GBP", "CHF", "JPY", "SEK", "AUD", "CAD"),
    "hs_ticket_priority": ("LOW", "MEDIUM", "HIGH", "URGENT"),
    "hs_ticket_category": ("PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"),
    "hs_task_status": ("NOT_STARTED", "IN_PROGRESS", "WAITING", "DEFERRED", "COMPLETED"),
    "hs_task_priority": ("LOW", "MEDIUM", "HIGH", "NONE"),
    "hs_task_type": ("TODO", "CALL", "EMAIL"),
    "hs_survey_type": ("NPS", "CSAT", "CES", "CUSTOM"),
    "hs_response_group": ("PROMOTER", "PASSIVE", "DETRACTOR"),
    "hs_email_direction": ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
    "hs_email_status": ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"),
    "hs_call_direction": ("INBOUND", "OUTBOUND"),
    "hs_call_status": (
        *("BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER"),
        *("QUEUED", "RINGING"),
    ),
    "hs_meeting_outcome": ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"),
}
"""Property name -> option values, the same for every kind of record."""

_OWNER: Row = ("hubspot_owner_id", "Owner", "enumeration", "select", "x")
_ID: Row = ("hs_object_id", "Record ID", "number", "number", "r")
_MERGED: Row = ("hs_merged_object_ids", "Merged record IDs", "enumeration", "checkbox", "rx")
_MODIFIED: Row = ("hs_lastmodifieddate", "Object last modified date/time", "datetime", "date", "r")
_CREATED: Row = ("createdate", "Create date", "datetime", "date", "r")
_UPDATED_BY: Row = ("hs_updated_by_user_id", "Updated by user ID", "number", "number", "r")
_HS_CREATED: Row = ("hs_createdate", "Object create date/time", "datetime", "date", "r")
_ACTIVITY: tuple[Row, ...] = (_OWNER, _ID, _MERGED, _HS_CREATED, _MODIFIED)

PROPERTIES: Mapping[str, tuple[Row, ...]] = {
    "contacts": (
        ("email", "Email", "string", "text", ""),
        ("hs_additional_emails", "Additional emails", "enumeration", "checkbox", "rx"),
        ("firstname", "First name", "string", "text", ""),
        ("lastname", "Last name", "string", "text", ""),
        ("jobtitle", "Job title", "string", "text", ""),
        ("hs_buying_role", "Buying Role", "enumeration", "checkbox", ""),
        ("phone", "Phone number", "string", "text", ""),
        ("hs_email_optout", "Unsubscribed from all email", "bool", "booleancheckbox", "r"),
        ("company", "Company name", "string", "text", ""),
        ("website", "Website URL", "string", "text", ""),
        ("lifecyclestage", "Lifecycle stage", "enumeration", "radio", ""),
        ("hs_lead_status", "Lead status", "enumeration", "radio", ""),
        ("associatedcompanyid", "Primary associated company ID", "number", "number", "r"),
        ("hs_calculated_merged_vids", "Merged vids with timestamps", "enumeration", "checkbox", "rx"),
        ("lastmodifieddate", "Last modified date", "datetime", "date", "r"),
        ("product_user_id", "Product user ID", "string", "text", "c"),
        _OWNER,
        _ID,
        _MERGED,
        _CREATED,
    ),
    "companies": (
        ("name", "Company name", "string", "text", ""),
        ("domain", "Company domain name", "string", "text", ""),
        ("hs_additional_domains", "Additional domains", "enumeration", "checkbox", "x"),
        ("website", "Website URL", "string", "text", ""),
        ("phone", "Phone number", "string", "text", ""),
        ("industry", "Industry", "enumeration", "select", ""),
        ("description", "Description", "string", "textarea", ""),
        ("numberofemployees", "Number of employees", "number", "number", ""),
        ("annualrevenue", "Annual revenue", "number", "number", ""),
        ("hs_parent_company_id", "Parent company", "number", "number", "r"),
        ("lifecyclestage", "Lifecycle stage", "enumeration", "radio", ""),
        ("product_account_id", "Product account ID", "string", "text", "c"),
        ("plan_name", "Plan", "string", "text", "c"),
        ("monthly_recurring_revenue", "Monthly recurring revenue", "number", "number", "c"),
        ("mrr_currency", "Currency of the MRR", "string", "text", "c"),
        ("customer_since", "Customer since", "date", "date", "c"),
        ("renewal_date", "Renewal date", "date", "date", "c"),
        _OWNER,
        _ID,
        _MERGED,
        _CREATED,
        _MODIFIED,
        _UPDATED_BY,
    ),
    "deals": (
        ("dealname", "Deal name", "string", "text", ""),
        ("amount", "Amount", "number", "number", ""),
        ("deal_currency_code", "Currency", "enumeration", "select", ""),
        ("pipeline", "Pipeline", "enumeration", "select", "x"),
        ("dealstage", "Deal stage", "enumeration", "radio", "x"),
        ("dealtype", "Deal type", "enumeration", "radio", ""),
        ("closedate", "Close date", "datetime", "date", ""),
        ("description", "Description", "string", "textarea", ""),
        ("hs_is_closed", "Is deal closed?", "bool", "booleancheckbox", "r"),
        ("hs_is_closed_won", "Is closed won", "bool", "booleancheckbox", "r"),
        _OWNER,
        _ID,
        _MERGED,
        _CREATED,
        _MODIFIED,
    ),
    "tickets": (
        ("subject", "Ticket name", "string", "text", ""),
        ("content", "Ticket description", "string", "textarea", ""),
        ("hs_pipeline", "Pipeline", "enumeration", "select", "x"),
        ("hs_pipeline_stage", "Ticket status", "enumeration", "select", "x"),
        ("hs_ticket_priority", "Priority", "enumeration", "select", ""),
        ("hs_ticket_category", "Category", "enumeration", "checkbox", ""),
        ("closed_date", "Close date", "datetime", "date", ""),
        _OWNER,
        _ID,
        _MERGED,
        _CREATED,
        _MODIFIED,
    ),
    "tasks": (
        ("hs_timestamp", "Due date", "datetime", "date", ""),
        ("hs_task_subject", "Task title", "string", "text", ""),
        ("hs_task_body", "Task notes", "string", "html", ""),
        ("hs_task_status", "Task status", "enumeration", "select", ""),
        ("hs_task_priority", "Priority", "enumeration", "select", ""),
        ("hs_task_type", "Task type", "enumeration", "select", ""),
        ("hs_task_reminders", "Reminders", "string", "text", ""),
        _OWNER,
        _ID,
        _HS_CREATED,
        _MODIFIED,
        _UPDATED_BY,
    ),
    "notes": (
        ("hs_timestamp", "Activity date", "datetime", "date", ""),
        ("hs_note_body", "Note body", "string", "html", ""),
        _OWNER,
        _ID,
        _HS_CREATED,
        _MODIFIED,
    ),
    "feedback_submissions": (
        ("hs_submission_name", "Submission name", "string", "text", "r"),
        ("hs_survey_type", "Survey type", "enumeration", "select", "r"),
        ("hs_survey_name", "Survey name", "string", "text", "r"),
        ("hs_value", "Rating", "string", "text", "r"),
        ("hs_response_group", "Sentiment", "enumeration", "select", "r"),
        ("hs_content", "Response", "string", "textarea", "r"),
        ("hs_submission_timestamp", "Date submitted", "datetime", "date", "r"),
        ("hs_contact_id", "Contact ID", "number", "number", "r"),
        _ID,
        _HS_CREATED,
        _MODIFIED,
    ),
    "emails": (
        ("hs_timestamp", "Activity date", "datetime", "date", ""),
        ("hs_email_direction", "Email Direction", "enumeration", "select", ""),
        ("hs_email_status", "Email Send Status", "enumeration", "select", ""),
        ("hs_email_subject", "Email subject", "string", "text", ""),
        ("hs_email_text", "Email body", "string", "textarea", ""),
        ("hs_email_tracker_key", "Email Tracker Key", "string", "text", "r"),
        ("hs_email_open_count", "Number of opens", "number", "number", "r"),
        ("hs_email_click_count", "Number of clicks", "number", "number", "r"),
        *_ACTIVITY,
    ),
    "calls": (
        ("hs_timestamp", "Activity date", "datetime", "date", ""),
        ("hs_call_title", "Call Title", "string", "text", ""),
        ("hs_call_body", "Call notes", "string", "html", ""),
        ("hs_call_direction", "Call direction", "enumeration", "select", ""),
        ("hs_call_status", "Call status", "enumeration", "select", ""),
        *_ACTIVITY,
    ),
    "meetings": (
        ("hs_timestamp", "Activity date", "datetime", "date", ""),
        ("hs_meeting_title", "Meeting name", "string", "text", ""),
        ("hs_meeting_body", "Meeting description", "string", "html", ""),
        ("hs_meeting_start_time", "Meeting start time", "datetime", "date", ""),
        ("hs_meeting_outcome", "Meeting outcome", "enumeration", "select", ""),
        *_ACTIVITY,
    ),
}

GROUPS: Mapping[str, tuple[tuple[str, str], ...]] = {
    kind: (
        (f"{word}information", f"{word.capitalize()} information"),
        (f"{word}_product_data", "Product data"),
    )
    for kind, word in (
        ("contacts", "contact"),
        ("companies", "company"),
        ("deals", "deal"),
        ("tickets", "ticket"),
        ("tasks", "task"),
        ("notes", "note"),
        ("feedback_submissions", "feedback"),
        ("emails", "email"),
        ("calls", "call"),
        ("meetings", "meeting"),
    )
}
"""Kind -> (name, label) of its property groups; the first takes HubSpot's own properties, the second custom ones."""

RENEWALS = "74101352"
"""The id of the deal pipeline the admin made for renewals."""


def _deal_stages(prefix: str, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """Open stages rising to a probability of 0.8, then won and lost; metadata values are text."""
    rows = [
        (f"{prefix}{label.lower().replace(' ', '')}", label, "false", str(round(0.8 * (i + 1) / len(labels), 2)))
        for i, label in enumerate(labels)
    ]
    rows += [(f"{prefix}closedwon", "Closed won", "true", "1.0"), (f"{prefix}closedlost", "Closed lost", "true", "0.0")]
    return [{"id": a, "label": b, "metadata": {"isClosed": c, "probability": d}} for a, b, c, d in rows]


PIPELINES: Mapping[str, tuple[dict[str, Any], ...]] = {
    "deals": (
        {
            "id": "default",
            "label": "Sales pipeline",
            "stages": _deal_stages(
                "",
                ("Appointment scheduled", "Qualified to buy", "Presentation scheduled", "Contract sent"),
            ),
        },
        {"id": RENEWALS, "label": "Renewals", "stages": _deal_stages("renewal_", ("Upcoming", "In discussion"))},
    ),
    "tickets": (
        {
            "id": "0",
            "label": "Support pipeline",
            "stages": [
                {"id": "1", "label": "New", "metadata": {"ticketState": "OPEN"}},
                {"id": "2", "label": "Waiting on contact", "metadata": {"ticketState": "OPEN"}},
                {"id": "3", "label": "Waiting on us", "metadata": {"ticketState": "OPEN"}},
                {"id": "4", "label": "Closed", "metadata": {"ticketState": "CLOSED", "isClosed": "true"}},
            ],
        },
    ),
}

STAGES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    kind: {stage["id"]: stage["metadata"] for pipeline in pipelines for stage in pipeline["stages"]}
    for kind, pipelines in PIPELINES.items()
}
"""Kind -> stage id -> metadata."""
