"""A PostgreSQL server of one's own, on a socket in a temporary folder, as a user who is not root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy

FOLDERS = Path("/usr/lib/postgresql")
REQUIRED = "HOLDFAST_POSTGRES"
"""Set to "required", the tests fail where there is no server, in place of being skipped."""


def programs() -> Path | None:
    """The folder of the newest server's programs; None when there is none, or nobody who may run it."""
    found = sorted(FOLDERS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _somebody() -> tuple[int, int] | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    return None


@contextmanager
def server() -> Iterator[str]:
    """Run a server; gives the URL of its superuser, without a database. Skips the test where there is none."""
    bin_folder, user = programs(), _somebody()
    if bin_folder is None or user is None:
        if os.environ.get(REQUIRED) == "required":
            pytest.fail("there is no PostgreSQL server on this machine")
        pytest.skip("there is no PostgreSQL server on this machine")
    folder = Path(tempfile.mkdtemp(prefix="holdfast-pg-"))
    os.chown(folder, *user)
    (folder / "word").write_text("owner-secret\n")
    (folder / "word").chmod(0o644)  # the folder itself is closed to others
    env = {"PATH": f"{bin_folder}:/usr/bin:/bin", "LC_ALL": "C", "HOME": str(folder)}
    try:
        # Everybody with a password but the superuser, whom the socket's folder keeps to this test.
        _run(bin_folder / "initdb", "-D", "data", "-U", "owner", "-A", "scram-sha-256", "--pwfile=word",
             "--no-sync", "-E", "UTF8", folder=folder, env=env, user=user  )  # fmt: skip
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off -c max_connections=20"
        _run(bin_folder / "pg_ctl", "-D", "data", "-w", "-t", "60", "-l", "log", "-o", options, "start",
             folder=folder, env=env, user=user)  # fmt: skip
        try:
            yield f"postgresql+psycopg://owner:owner-secret@/postgres?host={folder}"
        finally:
            _run(
                bin_folder / "pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop", folder=folder, env=env, user=user
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: Path, *words: str, folder: Path, env: Mapping[str, str], user: tuple[int, int]) -> None:
    said = subprocess.run(
        [str(program), *words], cwd=folder, env=dict(env), user=user[0], group=user[1], extra_groups=[],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert said.returncode == 0, f"{program.name}: {said.stdout}{said.stderr}"


def execute(url: str, *statements: str) -> None:
    """Run statements one by one, as the owner of the database."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
