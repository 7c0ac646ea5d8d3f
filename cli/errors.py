"""Turns what went wrong into a sentence and an exit code."""

import errno
import logging
import os
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

OK, ERROR, USAGE, CREDENTIALS, CONFLICTS, HELD, LOCKED = range(7)
STOPPED = 130

EXIT_CODES = {
    OK: "done",
    ERROR: "error",
    USAGE: "usage or config",
    CREDENTIALS: "credentials or permission",
    CONFLICTS: "done with conflicts or rejects",
    HELD: "held or not believed by the guard",
    LOCKED: "another agent holds the lock",
    STOPPED: "stopped before all was done",
}
"""What each exit code means; what was done before one of them is kept, always."""


class CommandError(Exception):
    """A command ends here.

    Args:
        message: What to tell the person.
        code: Exit code.
    """

    def __init__(self, message: str, code: int = ERROR) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def exit_code(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code, having said what went wrong."""
    try:
        result = command()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader (`head`, a pager) has seen enough. Python would complain once more while closing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (click.Abort, KeyboardInterrupt):
        _say("stopped.")
        return STOPPED
    except Exception as error:  # noqa: BLE001  # the last line of defence: no traceback reaches a person
        text, code = explain(error)
        _say(text)
        return code
    return result if isinstance(result, int) else OK


def code_of(error: type[Exception]) -> int | None:
    """The exit code that errors of a class mean; None when they are none of ours, or say it themselves."""
    from cli.config import InvalidConfigError
    from connectors.errors import ConfigError, ConnectorError, CredentialsError, MissingPermissionError
    from mapping.mapped import FieldMapError
    from scoring.errors import ScoringError
    from sync.approval import HeldError
    from sync.churn import ChurnFileError
    from sync.database import EnvironmentMismatchError
    from sync.export import ExportError
    from sync.heartbeat import SecondAgentError
    from sync.lock import LockedError
    from sync.plan import PlanError
    from sync.run import MissingFieldsError
    from sync.store import StoreError
    from sync.undo import UndoError

    by_class: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
        (
            (
                InvalidConfigError,
                FieldMapError,
                ChurnFileError,
                ScoringError,
                ConfigError,
                MissingFieldsError,
                EnvironmentMismatchError,
                UndoError,
                PlanError,
            ),
            USAGE,
        ),
        ((CredentialsError, MissingPermissionError), CREDENTIALS),
        ((LockedError, SecondAgentError), LOCKED),
        ((HeldError,), HELD),
        ((ConnectorError, StoreError, ExportError), ERROR),
    )
    return next((code for classes, code in by_class if issubclass(error, classes)), None)


def failure(error: Exception) -> dict[str, Any]:
    """What `--json` says of an error; `kind` is a heading of docs/errors.md."""
    from cli.error_words import kind_of

    text, code = explain(error)
    return {"error": text, "exit_code": code, "kind": kind_of(type(error))}


def explain(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit code it means."""
    if isinstance(error, CommandError):
        return error.message, error.code
    if (code := code_of(type(error))) is not None:
        return str(error), code
    if isinstance(error, sqlite3.Error):
        return f"the state file cannot be used: {error}.", ERROR
    if isinstance(error, OSError):
        full = " Free space there, then repeat." if error.errno in {errno.ENOSPC, errno.EDQUOT} else ""
        return f"{error.filename or 'the system'}: {error.strerror or error}.{full}", ERROR
    logging.getLogger("holdfast").debug("unexpected error", exc_info=error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    text = (
        f"this is a defect in Holdfast: {type(error).__name__} in {Path(where.filename).name}, line {where.lineno}. "
        "Nothing unclear is lost: run the command again, and please report this line."
    )
    return text, ERROR


def _say(text: str) -> None:
    from cli.output import Output

    Output().fail(text)
