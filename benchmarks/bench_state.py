"""From the state file to scores in the state file: the real tables and links, 10,000 accounts, 200,000 people.

A million tickets, 250,000 survey answers, 12 million usage rows. Three systems: a CRM, a helpdesk whose tickets reach
the CRM's accounts by links, and product analytics whose people and groups do. Compared in the same run with the same
statements on tables that DuckDB already holds in memory, which is what reading and keeping could at best come down to.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.bench_scoring import _held as held_in_memory
from benchmarks.scoring_data import AS_OF, Size, make
from mapping.identity import collector_paused
from scoring.card import Scorecard
from scoring.engine import score
from scoring.inputs import Inputs
from sync import frames
from sync.store import Store
from sync.tables import epoch, epoch_day

GROUP, ORG = 20_000, 40_000
PERSON, USER = 400_000, 800_000
"""Keys of the other systems' records: offsets from the CRM account's and contact's."""

_FILL = f"""
INSERT INTO source VALUES (1, 'hubspot'), (2, 'zendesk'), (3, 'mixpanel');
INSERT INTO stream (id, source, name, record) VALUES (1, 1, 'companies', 'account'), (2, 1, 'contacts', 'contact'),
  (3, 2, 'tickets', 'ticket'), (4, 2, 'answers', 'survey_response'), (5, 3, 'events', 'usage'),
  (6, 2, 'invoices', 'invoice');
INSERT INTO pull (stream, started, finished, rows, rejects, error)
  SELECT id, {{fed}}, {{fed}}, 1, 0, '' FROM stream;
INSERT INTO account (key, source, source_id, stream, name, owner_id, plan, mrr, currency, customer_since, renewal_date,
    lifecycle, created_at, valid_from)
  SELECT account, 1, crm_id, 1, name, owner_id, plan, mrr, currency, customer_since, renewal_date, lifecycle,
    created_at, 1 FROM plain.account;
INSERT INTO account (key, source, source_id, valid_from)
  SELECT {GROUP} + account, 3, 'g' || account, 1 FROM plain.account;
INSERT INTO account (key, source, source_id, valid_from) SELECT {ORG} + account, 2, account, 1 FROM plain.account;
INSERT INTO contact (key, source, source_id, stream, account, title, last_login_at, created_at, valid_from)
  SELECT contact, 1, crm_id, 2, account, title, last_login_at, created_at, 1 FROM plain.contact;
INSERT INTO contact (key, source, source_id, valid_from)
  SELECT {PERSON} + contact, 3, 'u' || contact, 1 FROM plain.contact;
INSERT INTO contact (key, source, source_id, valid_from) SELECT {USER} + contact, 2, contact, 1 FROM plain.contact;
INSERT INTO ticket (source, source_id, stream, account, contact, status, priority, created_at, solved_at,
    first_reply_minutes, reopens, valid_from)
  SELECT 2, rowid, 3, {ORG} + account, {USER} + contact, status, priority, created_at, solved_at, first_reply_minutes,
    reopens, 1 FROM plain.ticket;
INSERT INTO survey_response (source, source_id, stream, survey, score, scale_min, scale_max, satisfied, responded_at,
    contact, account, valid_from)
  SELECT 2, rowid, 4, survey, score, scale_min, scale_max, satisfied, responded_at, {USER} + contact, {ORG} + account, 1
  FROM plain.survey;
INSERT INTO invoice (source, source_id, stream, account, status, amount_due, due_date, paid_at, failed_attempts,
    created_at, valid_from)
  SELECT 2, rowid, 6, {ORG} + account, status, amount_due, due_date, paid_at, failed_attempts, created_at, 1
  FROM plain.invoice;
INSERT INTO link SELECT 'account', {GROUP} + account, account, 'product_id', 'bench', 100, 1 FROM plain.account;
INSERT INTO link SELECT 'account', {ORG} + account, account, 'crm_id', 'bench', 100, 1 FROM plain.account;
INSERT INTO link SELECT 'contact', {PERSON} + contact, contact, 'product_id', 'bench', 100, 1 FROM plain.contact;
INSERT INTO link SELECT 'contact', {USER} + contact, contact, 'email', 'bench', 90, 1 FROM plain.contact
"""


def fill(folder: Path, plain: Inputs) -> Store:
    """A real state folder with what `plain` holds."""
    store = Store.open(folder)
    store.db.conn.execute("ATTACH ? AS plain", (str(plain.state),))
    with store.transaction() as conn:
        for statement in _FILL.format(fed=epoch(AS_OF) - 1200).split(";\n"):
            conn.execute(statement)
        conn.execute(
            "INSERT INTO run (run_id, mode, started, status, counts) VALUES (1, 'dry', ?, 'done', '{}')",
            (epoch(AS_OF),),
        )
        usage = folder / "usage" / "mixpanel"
        usage.mkdir(parents=True)
        for number, path in enumerate(plain.usage):
            duckdb.sql(
                f"""COPY (SELECT day, person + {PERSON} AS person, grp + {GROUP} AS grp, event, count
                    FROM '{path}' ORDER BY person) TO '{usage / path.name}' (FORMAT parquet, COMPRESSION zstd)"""
            )
            conn.execute(
                "INSERT INTO usage_file VALUES (5, ?, 1, ?, 1, 1, 0, ?, 0)",
                (epoch_day(AS_OF.date()) - number, f"usage/mixpanel/{path.name}", epoch(AS_OF)),
            )
    store.db.conn.execute("DETACH plain")
    return store


def timed(store: Store, card: Scorecard, run_id: int) -> tuple[float, float, int]:
    """Seconds to read and score, seconds to keep, rows."""
    start = time.perf_counter()
    given = frames.inputs(store, AS_OF, crm="hubspot")
    with collector_paused():
        with store.released():
            rows = list(score(card, given))
        between = time.perf_counter()
        store.save_scores(run_id, rows, AS_OF)
    return between - start, time.perf_counter() - between, len(rows)


def main(size: Size | None = None) -> list[dict[str, Any]]:
    size = size or Size()
    card = Scorecard.load()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "plain").mkdir()
        plain = make(Path(folder) / "plain", size)
        store = fill(Path(folder) / "state", plain)
        first_read, first_keep, count = timed(store, card, 1)
        assert count == size.accounts + size.people, count
        again_read, again_keep, _ = timed(store, card, 1)
        memory = min(held_in_memory(card, plain) for _ in range(2))
        store.close()
    return [
        {"name": "first time: read and score", "value": first_read, "unit": "s"},
        {"name": "first time: keep the scores", "value": first_keep, "unit": "s"},
        {"name": "next time: read and score", "value": again_read, "unit": "s"},
        {"name": "next time: keep what changed", "value": again_keep, "unit": "s"},
        {"name": "same statements, tables in memory", "value": memory, "unit": "s"},
        {
            "name": "state file to state file, first time / in memory",
            "value": (first_read + first_keep) / memory,
            "unit": "x",
        },
        {
            "name": "state file to state file, next time / in memory",
            "value": (again_read + again_keep) / memory,
            "unit": "x",
        },
    ]


if __name__ == "__main__":
    for line in main(Size() if len(sys.argv) < 2 else Size(*map(int, sys.argv[1:]))):
        print(line)
