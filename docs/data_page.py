"""The page on data for other programs: how to read and export it, and every column."""

from collections.abc import Iterator

from sync.catalogue import exported_name, tables
from sync.columns import Table
from sync.describe import raw
from sync.tables import KINDS

INTRO = """# Data for other programs

Everything Holdfast knows lies in one SQLite file, `state.db` in the state folder, and is yours. There are three ways to
it: read the file, also while the agent runs; export it as CSV, Parquet or Singer messages; or open it with Datasette.

## What you can rely on

The views below and the exported tables are an interface. Within a major version no view, column or value named here is
renamed, removed or given another meaning; new views, columns and values of words may come, so name the columns that you
read. A change beyond that is announced in the changelog one minor version ahead. All other tables are the agent's own
and may change with any version. Nothing but the agent may write to the file: one that was changed is refused.

- An *instant* is text such as `2026-11-22T17:58:47Z`, a *day* text such as `2026-11-22`; both are UTC. In Parquet they
  are timestamps with time zone and dates.
- A *boolean* is 1 or 0, in Parquet true or false; *json* is JSON text, also in Parquet.
- Money is an integer in minor units (cents) of the currency beside it; never add up different currencies.
- Empty (NULL) means not known or not so; an unknown score is empty and never 0.
- Ids are those of the vendors, as text; `account_id` is the account's id in the CRM.

## Reading the file

```sh
sqlite3 -readonly state/state.db "SELECT account_name, score, reason FROM v_account WHERE band = 'red'"
```

Readers never wait for the agent, nor it for them. Open the file read-only, as a user who may enter the state folder
(its owner), and close it again: a reader that stays in one transaction for hours makes the write-ahead log grow. For
heavy reports or other users read a copy: `holdfast state backup` makes one at any time.

## Exporting

```sh
holdfast export --out warehouse --format parquet                                # all tables but those on people
holdfast export --out sheets --table v_account --table v_cohort                 # CSV of two of them
holdfast export --out new --format parquet --since 2026-11-22T17:00:00Z         # what came or changed since
```

All tables of one export are of one instant, and files are replaced only when all of them are whole. `manifest.json`
lists files, rows and columns, and in `next_since` what to give as `--since` the next time. An increment may hold rows
that you already have, and a row again that has ended meanwhile: replace by the columns named as *key*. Tables without
*stamps* change without saying when and are always exported whole; nothing says in an increment that the row of such a
table is gone.

**People.** Without `--people` what tells who somebody is stays out: columns marked *personal*, tables and rows on
people. Ids of colleagues (`owner_id`) and what is said of accounts are exported. What was exported is out of the reach
of `holdfast forget`: delete it there as well.

**Formulas.** A customer may be called `=HYPERLINK(…)`. In CSV a `'` goes before what a spreadsheet may take for a
formula: `=`, `+`, `-`, `@`, a tab or a line end at the start of a cell, or behind a quotation mark, a line end, or a
character that may end a cell (as [OWASP](https://owasp.org/www-community/attacks/CSV_Injection) says). Numbers stay
numbers. Programs that are no spreadsheets want `--raw`, or Parquet.

**Singer.** `--format singer` gives the same tables as [Singer](https://hub.meltano.com/singer/spec) messages, which any
of its *targets* loads into a warehouse; without `--out` they go to the standard output, with it into `messages.jsonl`:

```sh no-run
holdfast export --format singer --table v_account --table v_score_history | target-postgres --config target.json
```

Each table has its schema and its key, and rows replace those of the same key. Tables without *stamps* carry a version,
so that a target that knows `ACTIVATE_VERSION` removes what is gone; unknown text in a key is empty, since a key must be
known. The state at the end, `{"since": …}`, is what to give as `--since` once the target has stored it.

CSV is UTF-8 with lines as in RFC 4180. Files can be read by their owner and group (0640).

## Looker

```sh
holdfast export --format lookml --out looker
```

writes a view for each table, with a primary key, types, units and descriptions, and `holdfast.model.lkml`, which joins
every table to `v_account`. Load the Parquet files into a schema `holdfast` of your warehouse, a table each, and name
the connection `holdfast`, or replace these names. With `--people` for an export that was made with it. Checked: the
files parse as LookML. Not tried: a Looker instance, which needs a licence.

## Tableau

```sh
holdfast export --table v_account_month --table v_cohort --table v_cohort_detail --table v_band_change --out tableau
```

These are wide tables with one row a thing and month, for tools that know no validity: `v_account_month` says how every
account stood when each month was over, with its cohort, plan and revenue; `v_cohort` is the retention table. Connect to
the CSV files as *text file*; relate them by `account_id` and `start_month`. Days are ISO 8601. Retention is
`SUM([retained]) / SUM([accounts])`, for one `months_since` at a time. Not tried: Tableau itself, which needs a licence;
and no `.hyper` file is written, because the library that does is proprietary.

## Datasette

[Datasette](https://datasette.io) shows the views with the meaning of every column, and answers questions kept as
queries: who needs a call, who moved, why a score is what it is, retention, what a run wrote.

```sh no-run
pipx install datasette
holdfast export --format datasette --out datasette
datasette state/state.db --metadata datasette/metadata.json
```

That reads the live file, also while a sync runs, and sees each commit. Never give it `-i`: that claims that nobody
writes to the file, and shows it without what lies in the write-ahead log, or torn. A copy may be opened so; its queries
and descriptions go by the name `state`:

```sh no-run
mkdir -p copy && holdfast state backup copy/state.db
datasette -i copy/state.db --metadata datasette/metadata.json
```

Datasette has no log-in of its own and shows everything, people included: it listens on 127.0.0.1, and so it should
stay. Tried with Datasette 0.65.5 beside a running sync.
"""


def data() -> str:
    """The whole page."""
    found = list(tables().values())
    views, records = [t for t in found if t.view], [t for t in found if not t.view]
    parts = [INTRO, "## The views\n", *_list(views), "## The history of records\n", HISTORY, *_list(records)]
    parts += ["## Views, column by column\n", *map(_table, views)]
    parts += ["## Records, column by column\n", *map(_record, records)]
    return "\n".join(parts)


HISTORY = """One row is one version of a record of one source. In the state file the newest versions lie in a table of
the kind's name and the superseded ones in `..._history`; the export joins both and turns keys into ids.
*In the file* says how a column is called there and how it is written; `source` and references are
numbers there, to be looked up in `source` and in the table of the kind by `key`. Rows whose `valid_from`
is NULL were only spoken of by others.
"""


def _list(found: list[Table]) -> Iterator[str]:
    yield "| table | one row is | key | stamps |\n|---|---|---|---|"
    for table in found:
        key, stamps = (", ".join(f"`{name}`" for name in names) for names in (table.key, table.stamps))
        yield f"| [`{table.name}`](#{table.name}) | {table.title} | {key} | {stamps} |"
    yield ""


def _table(table: Table) -> str:
    rows = [
        f"| `{c.name}` | {c.type}{', personal' if c.personal or table.personal else ''} | {c.unit} | {c.meaning} |"
        for c in table.columns
    ]
    return "\n".join([f"### {table.name}\n", "| column | type | unit | meaning |", "|---|---|---|---|", *rows, ""])


def _record(table: Table) -> str:
    kind = KINDS[table.name.removesuffix("_history")]
    stored = {exported_name(column.field): f"`{column.name}`. {raw(column)}".rstrip(". ") for column in kind.columns}
    stored |= {"source": "`source`. Key of the source", "source_id": "`source_id`"}
    stored |= {name: f"`{name}`. Epoch seconds, UTC" for name in ("valid_from", "valid_to")}
    rows = [
        f"| `{c.name}` | {c.type}{', personal' if c.personal else ''} | {c.unit} | {c.meaning} | {stored[c.name]} |"
        for c in table.columns
    ]
    head = [f"### {table.name}\n", "| column | type | unit | meaning | in the file |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])
