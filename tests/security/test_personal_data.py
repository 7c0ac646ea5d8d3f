"""What is kept of people: ids, numbers and a few short words; never what they wrote."""

import re
import sqlite3
from pathlib import Path

import pytest

from mapping.convert import MAX_TEXT
from mapping.schema import RECORDS
from sandbox.faults import Fault
from sync.store import Store
from tests.cli.conftest import Site

TEXTS = {
    "_sqlite_migrations": "migration_set name applied_at",
    "meta": "key value",
    "source": "name",
    "stream": "name record cursor error off",
    "pull": "error",
    "quarantine": "source_id reason row",
    "record_map": "kind status",
    "crm_value": "object record_id values",
    "link": "kind rule evidence",
    "review": "kind source source_id rule candidates reason",
    "score": "level crm_id name owner_id band segments reason signals card computed held rule stage rfm role",
    # Numbers, days and names of segments, events and themes, as `holdfast features` lists them.
    "fact": "features",
    # Account, instants and tenths of a point.
    "score_change": "",
    "standing": "crm_id band candidate",
    "card": "cards fingerprint",
    "disbelief": "breaches",
    # Names, days and account ids of the config.
    "releases": "releases",
    # What colleagues wrote into the account's note field of ours, to be kept with its date; `forget` empties it.
    "note": "crm_id text themes",
    "usage_file": "path",
    "usage_seen": "path",
    "usage_later": "path",
    "run": "mode status counts environment config_hash plan_hash",
    "owned": "object record_id fields times row_hash",
    "band_state": "crm_id band episodes holding",
    "followup": "key crm_id playbook variant band state",
    "withheld": "crm_id playbook rule why",
    "told": "kind subject state",
    "notice": "kind subject facts",
    "delivery": "channel state message error",
    "op": "kind object record_id key payload before_image state remote_id error_code error row_hash",
    "op_event": "from_state to_state detail row_hash hash",
    "batch": "object request_hash",
    "guard": "check_name verdict text released_by",
    "parked": "object record_id field why",
    "forgotten": "hash",
    "decision": "object record_id field about kind theirs",
    # records as sources have them
    "user": "source_id email name",
    "account": "source_id name domains external_ids owner_id plan currency lifecycle channel",
    "contact": "source_id email other_emails external_ids account_refs owner_id title role",
    "membership": "source_id",
    "deal": "source_id name pipeline stage currency owner_id",
    "ticket": "source_id status priority copy_of channel",
    "survey_response": "source_id survey email themes",
    "subscription": "source_id status currency",
    "invoice": "source_id status currency",
    "activity": "source_id activity task_key",
    "contact_role": "source_id deal_ref role",
}
"""Table -> columns of text. A new one is a decision: no words that people wrote may go there unless they are listed."""

FREE = re.compile(r"comment|description|body|subject|notes?$|message|content|transcript|phone|address|birth|street|ip$")
"""Words in the names of fields that hold what people wrote, or more of a person than is needed."""


def columns(store: Store) -> dict[str, set[str]]:
    tables = [name for (name,) in store.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
    return {
        table: {row[1] for row in store.db.execute(f"PRAGMA table_info('{table}')").fetchall() if row[2] != "INTEGER"}
        - {"measured", "allowed"}
        for table in tables
        if not table.startswith("sqlite_")
    }


def test_no_text_is_stored_that_is_not_listed(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    found = columns(store)
    store.close()
    expected = {table: set(names.split()) for table, names in TEXTS.items()}
    for table in [name for name in found if name.endswith("_history")]:
        assert found.pop(table) <= expected[table.removesuffix("_history")], table
    assert found == expected


def test_no_record_has_a_place_for_what_people_wrote() -> None:
    for kind, record in RECORDS.items():
        for name, field in record.model_fields.items():
            assert not FREE.search(name), f"{kind}.{name}"
            assert field.description, f"{kind}.{name}"


@pytest.mark.parametrize("broken", [False, True], ids=["taken", "quarantined"])
@pytest.mark.parametrize("vendor", ["zendesk", "hubspot"])
def test_what_people_wrote_at_a_vendor_is_nowhere_in_the_state(site: Site, vendor: str, broken: bool) -> None:  # noqa: FBT001 - a table's column
    words = "Unmistakable-private-words-0471"
    fields: tuple[str, ...] = ("description", "subject", "raw_subject", "phone", "notes", "details", "comment")
    if vendor == "hubspot":
        fields = tuple(f"properties.{name}" for name in ("description", "phone", "hs_content", "content", "message"))
    odd = {"id": None} if broken else {}
    site.sandbox.faults.add(Fault("drift", vendor, every=1, set={**dict.fromkeys(fields, words), **odd}))
    site.sandbox.mutate("hubspot", "touch", object="companies", count=4)
    site.sandbox.mutate("hubspot", "touch", object="contacts", count=4)
    user = next(iter(site.sandbox.truth()["zendesk"]["contact"]))
    site.sandbox.mutate("zendesk", "create_ticket", user_id=user)
    site.sandbox.clock.sleep(3600)
    assert site.run("sync", "--dry-run").code in {0, 4}
    holding = [path.name for path in site.state.rglob("*") if path.is_file() and words.encode() in path.read_bytes()]
    assert holding == []


def test_values_of_records_are_short(site: Site) -> None:
    """A field that is taken for a short word cannot bring a letter along."""
    conn = sqlite3.connect(f"file:{site.state / 'state.db'}?mode=ro", uri=True)
    for kind in set(RECORDS) & set(TEXTS):
        for name in TEXTS[kind].split():
            (longest,) = conn.execute(f"SELECT max(length({name})) FROM {kind}").fetchone()
            lists = name in {"domains", "external_ids", "other_emails", "account_refs", "themes"}
            assert lists or (longest or 0) <= MAX_TEXT, f"{kind}.{name}"
    conn.close()


def test_the_log_of_a_run_names_nobody(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Not with an e-mail address, at DEBUG; zenpy's own log of who we are ourselves aside."""
    addresses = [row["email"] for row in site.records("contacts", "email").values() if row["email"]]
    assert len(addresses) > 10
    site.sandbox.faults.add(Fault("status", "hubspot", nth=3, status=500, body={"message": "no"}))
    site.sandbox.mutate("hubspot", "touch", object="contacts", count=9)
    site.sandbox.clock.sleep(3600)
    assert site.run("sync", "--initial", "--tasks").code in {0, 4}
    assert caplog.text
    assert [one for one in addresses if str(one) in caplog.text] == []
