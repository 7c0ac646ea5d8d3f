"""Takes people out of the usage files, and keeps them out of new ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sync.store import Store
from sync.tables import compact
from sync.usage_files import sync_to_disk

if TYPE_CHECKING:
    import duckdb

_OF_THEM = "person IN (SELECT unnest(from_json(?, '[\"BIGINT\"]')))"


def forget_usage(store: Store, people: Sequence[int]) -> int:
    """Write every usage file anew that counts these people; gives how many those were.

    New files are in force once the state file says so; old ones are removed afterwards, or by the next run.
    """
    import duckdb

    keys = compact(list(people))
    rows = store.rows(
        "SELECT stream, day, path FROM usage_file UNION ALL SELECT stream, day, path FROM usage_later ORDER BY 1, 2, 3"
    )
    changed: list[tuple[str, Path, Path, int, int]] = []
    with duckdb.connect() as db:
        for _, _, name in rows:
            old = store.path / name
            if not old.is_file():
                continue
            count, events = db.execute(
                f"SELECT count(*), coalesce(sum(count), 0) FROM read_parquet(?) WHERE {_OF_THEM}", [str(old), keys]
            ).fetchall()[0]
            if count:
                changed.append((name, old, _rewrite(db, old, keys), int(count), int(events)))
    with store.transaction() as conn:
        for name, _, new, count, events in changed:
            path = new.relative_to(store.path).as_posix()
            conn.execute(
                "UPDATE usage_file SET path = ?, rows = rows - ?, events = max(0, events - ?) WHERE path = ?",
                (path, count, events, name),
            )
            conn.execute("UPDATE usage_later SET path = ? WHERE path = ?", (path, name))
    for _, old, *_ in changed:
        old.unlink(missing_ok=True)
    return len(changed)


def _rewrite(db: "duckdb.DuckDBPyConnection", old: Path, keys: str) -> Path:
    new = old.with_name(f"{old.name.removesuffix('.parquet')}f.parquet")
    part = new.with_suffix(".part")
    quoted = str(part).replace("'", "''")
    db.execute(
        f"COPY (SELECT * FROM read_parquet(?) WHERE NOT coalesce({_OF_THEM}, false) ORDER BY person) "
        f"TO '{quoted}' (FORMAT parquet)",
        [str(old), keys],
    )
    part.chmod(0o600)
    sync_to_disk(part)
    part.replace(new)
    sync_to_disk(new.parent)
    return new


def skip_forgotten(db: "duckdb.DuckDBPyConnection", store: Store, source: str) -> None:
    """Leave out the events of people who were forgotten; `person_id` holds whom the events are of."""
    screen = store.people()
    if screen.marks:
        ids = [row[0] for row in db.execute("SELECT DISTINCT id FROM person_id").fetchall()]
        db.execute(
            "DELETE FROM person_id WHERE id IN (SELECT unnest(from_json(?, '[\"VARCHAR\"]')))",
            [compact(screen.of(source, ids))],
        )
