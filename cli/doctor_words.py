"""What each finding of `check` means: shown beside warnings and errors, and the page docs/check.md."""

from collections.abc import Mapping

ADVICE = frozenset({"warning", "error"})
"""Severities beside which the meaning is shown: what is well needs none."""

MEANS: Mapping[str, str] = {
    "credentials": "The vendor does not know the name and secret that the config refers to, so nothing of it is read.",
    "unreachable": "No answer of use came, so that nothing can be said of this vendor; runs go on with what is stored.",
    "missing_scope": "The vendor knows us and does not let us read a kind of record (scores lack it) or write one.",
    "missing_permission": "The vendor knows us and does not let us read or write something that a run needs.",
    "identity": "Who we are at the vendor; in the state: how many records of a source were found in the CRM.",
    "identity_rule": "By what records were found to be the same, and how many; weak rules deserve a look first.",
    "unknown_property": "The field map reads a field that the account does not have (any more), so it is always empty.",
    "write_scopes": "What the token may write, by its scopes; where those are not told, it shows at the first write.",
    "few_properties_left": "The account's limit of custom properties may stop `setup`.",
    "few_fields_left": "The object's limit of custom fields may stop `setup`.",
    "clock": "Clocks that differ make fresh data look old or old data fresh, and signed log-ins fail.",
    "clocks": "The vendors' clocks and ours agree.",
    "quota": "How many calls the vendor still allows; without any, runs stop and go on later.",
    "task_strategy": "What keeps a task from being made twice in this CRM, and what that promises.",
    "fields": "Whether our own fields in the CRM are there and as they should be.",
    "field_conflict": "A field of that name holds something else; nothing is written while it does.",
    "missing_stream": "The Singer tap does not offer a stream that the config names; it is not read.",
    "missing_field": "A field that the config reads is not in the tap's schema; it will be unknown in every record.",
    "no_streams": "The source is connected and nothing is read from it.",
    "failed_files": "Nothing of these files was read; the text beside each says why and what to do.",
    "stray_files": "Nobody reads these files, whatever stands in them.",
    "open_folder": "Whoever puts a file there decides what scores are made of.",
    "waiting": "Files that the next sync reads, once they are left alone.",
    "read_only": "Whether the database itself refuses to be written by us.",
    "stream": "A table or query of the config that the database does not give us; it is not read.",
    "missing_column": "A column that the config reads is not there; what it would say is unknown in every record.",
    "no_stamp": "Rows that no place in a table ever reaches are never read.",
    "missing_fields": "Nothing is written before these fields are there and may be edited by us.",
    "optional_field": "A field that people fill, or that makes writing safer; runs do without it.",
    "user": "As whom the agent acts.",
    "user_licence": "A user with whom a person can log in has more rights than a program needs.",
    "old_login": "This way to log in is on its way out at the vendor.",
    "more_rights": "Whoever got hold of the credentials could do more than the agent ever needs.",
    "missing_view_all": "Records that sharing rules hide look as if they were not there, and their accounts healthy.",
    "sharing_unknown": "Records that sharing rules hide look as if they were not there.",
    "currency": "Amounts without a currency are not compared with others.",
    "csat": "Satisfaction is a part of the score; without it scores rest on less.",
    "query_api": "Profiles tell who people are; without them events are matched by ids only.",
    "rights": "What the credentials let us do, as far as the vendor tells.",
    "lag": "What happened a moment ago shows in scores only once the vendor hands it out.",
    "silence": "A product that nobody uses looks the same as keys of another project, or another region.",
    "profiles": "Profiles tell who people are; without them events are matched by ids only.",
    "test_key": "A key of the test mode shows made-up customers, whose payments say nothing about yours.",
    "api_version": "Another version of the vendor's API may answer in shapes that we do not know.",
    "form": "A form that cannot be seen is not read, and its answers reach no score.",
    "survey": "A survey that cannot be seen is not read, and its answers reach no score.",
    "question": "Which question is the score, and on which scale; without one nothing of the form or survey is read.",
    "scorecard": "Something on the card is unwise; scores are made all the same.",
    "accountable": "Every red account has somebody who answers for it.",
    "nobodys": "A red account for which nobody answers is not looked after.",
    "no_fallback_owner": "Tasks on accounts without an active owner belong to nobody.",
    "fallback_owner": "Tasks on accounts without an active owner go to this user.",
    "no_state": "Nothing was ever read: scores and measures come with the first dry run.",
    "state": "The file in which the agent remembers what it read and wrote.",
    "state_file": "The file in which the agent remembers what it read and wrote.",
    "state_damaged": "What the agent remembers cannot be trusted; it refuses to work until that is settled.",
    "copies": "A copy each day is the way back when the state file is damaged or lost.",
    "no_copy": "Without a copy a damaged state file is rebuilt from the CRM, and its history is lost.",
    "old_copy": "Either no run has ended for days, or copies fail.",
    "unused_source": "Data that nobody uses is better removed.",
    "quality": "Scores out of poor data mislead the people who act on them, so the first fill waits for the pass mark.",
    "quality_unknown": "Quality is measured on what was pulled and scored.",
    "quality_scored": "Accounts of which too little is known are unknown, neither good nor bad.",
    "quality_linked": "What cannot be matched to the CRM does not count for anybody's score.",
    "quality_identified": "Without a domain or an id an account can only be matched by its people.",
    "quality_owners": "A task without an active owner is seen by nobody.",
    "quality_duplicates": "Two records of one customer share its signals between them, and both scores are wrong.",
    "quality_quarantined": "Rows that cannot be used are missing from every score.",
    "quality_fresh": "What is old makes customers unknown; what never came makes them look silent.",
    "quality_plan": "Segments and playbooks by plan cannot see these accounts.",
    "quality_mrr": "Accounts without a value come last when the worst of the most valuable go first.",
    "quality_renewal_date": "Nobody is reminded of a renewal whose day is not known.",
    "quality_email": "People without an address are matched by an id of the product only.",
    "ready_data": "The first of four questions before a start: is the data fit?",
    "ready_capacity": "The second: is there somebody with time for what scores will find?",
    "ready_cause": "The third: a score of anything else than why customers leave saves nobody.",
    "ready_base": "The fourth: what a card can be tested on, and how much hangs on a few customers.",
    "stale_card": "Products and customers change; a card that nobody looks at measures what mattered then.",
    "card_age": "When the scorecard was last changed or looked at.",
    "reviewed_later": "A day to come would silence the reminder.",
    "unused_segments": "Each segment is an option in the CRM that people have to read past.",
}
"""Code of a finding -> what it means, in one sentence."""

PAGE = "docs/check.md"


def where(code: str) -> str:
    """Where the finding is explained."""
    return f"{PAGE}#{code}"


INTRO = """# What check finds

`holdfast check` asks every vendor who we are and what we may do, and looks at what the last runs left in the state
file. It writes nothing anywhere. Each finding has a severity:

| severity | meaning | exit code |
|---|---|---|
| `error` | a run would fail, or lose something | 1; 3 when a vendor does not know us or a right is missing |
| `warning` | a run would go worse than it could | 0 |
| `info`, `ok` | to be known | 0 |

With `--json`, each finding has `severity`, `code`, `message`, `means`, `advice` and `docs`, by section: one for each
vendor, then `scorecard`, `state`, `data`, `readiness` and `upkeep`. Codes are stable, so that monitoring can tell one
from another.

## The pass mark

The first fill of a CRM is held while the data is below the pass mark, because people act on what they read there. Later
runs are not: then the [guard](guard.md) looks at what changes. The marks are low on purpose: they catch a source whose
ids do not fit, not a CRM that is merely untidy. They are in [`[quality]`](configuration.md#quality).

| measure | mark | why |
|---|---|---|
| `scored` | 50 % of the accounts have a band | below it the answer to most questions is "unknown" |
| `linked` | 60 % of a source's accounts (people, where it has none) match the CRM, or it knows 60 % of the scored accounts | a free product has many users who are nobody's customer, and many CRMs have accounts that never wrote to support; both failing means that the ids do not fit |
| `identified` | 70 % of the accounts have a domain or an id | the rest can be matched by people only |
| `owners` | 50 % of the accounts have an active owner; not asked without tasks or with a fallback owner | otherwise most tasks are nobody's |
| `duplicates` | at most 10 % share a domain (accounts without a parent) or an address (contacts) | one customer's signals are split |
| `quarantined` | at most 5 % of a stream's rows cannot be used | a field map that does not fit |
| `fresh` | every stream read completely within 48 hours | silence must not look like health |

A share of fewer than 20 records is told and not judged. A person who has looked and wants the fill all the same names
the measure: `holdfast sync --initial --accept linked`, or for good `accept = ["linked"]` under `[quality]`; a saved
plan that is approved by name counts as well.

## Rights wanted and granted

`check` compares what this config does with what the credentials may do. What is missing is an error
(`missing_scope`, `missing_permission`), or a warning where a run does without; what is granted and never used is
`more_rights`. It depends on the streams that are read and on what is written: without tasks (`writeback.tasks`) nobody
misses the right to make them, and a CRM that is only a source needs no right to write.

| vendor | what is missing | what is more than needed |
|---|---|---|
| HubSpot | by reading one record of each kind, and by the token's scopes | by the scopes, of a service key or private app |
| Salesforce | by the descriptions of objects and fields as our user sees them | *Modify All*, *Manage Users* and the like; creating, editing or deleting what is only read |
| Mixpanel | by one export and one query | the role *owner* or *admin*; other projects |
| Zendesk | by the role, which must be *admin*, and by reading | an API token, which may do all; an OAuth token's scopes beside *read* |
| Stripe | by reading one record of each kind | a secret key in place of a restricted one; what a restricted key may do besides is not told |
| SurveyMonkey | by reading | scopes of the app that are not used |
| Intercom, Typeform, Amplitude | by reading | not told by their APIs: see the page of each under *Set up with the least rights* |
| SQL, files, Singer | by reading | SQL and files: whether we could write there, or others could |

## Before a start

The section `readiness` holds the four questions that a team should have answered: is the data fit, is there time for
what scores will find, do we know why customers leave, and what does the customer base look like. Some of the answers
are in the data and are given; the others are for people.

## Findings

"""  # noqa: E501  # rows of a table


def page() -> str:
    """The page docs/check.md."""
    return INTRO + "\n".join(f"### {code}\n\n{text}\n" for code, text in sorted(MEANS.items()))
