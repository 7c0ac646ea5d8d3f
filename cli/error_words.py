"""What each error means and what to do about it: `kind` in `--json`, and the page docs/errors.md."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """One kind of error.

    Attributes:
        kind: The word for it; a heading of the page.
        cause: What has happened.
        remedy: What to do.
    """

    kind: str
    cause: str
    remedy: str


_OURS: Mapping[str, Meaning] = {
    "cli.config.InvalidConfigError": Meaning(
        "config",
        "The config file is not there, cannot be read, or has a key or value that cannot be used. Nothing was started.",
        "The message names file and key, and what is allowed; [all settings](configuration.md). Secrets are references "
        '(`{ env = "NAME" }` or `{ file = "path" }`), and a file with one must have mode 0600.',
    ),
    "mapping.mapped.FieldMapError": Meaning(
        "field_map",
        "A line of `fields` in the config cannot be used: an unknown stream or field, or a value of the wrong form.",
        "Take the nearest name that the message proposes, or one that it lists; [mapping](mapping.md) has the forms.",
    ),
    "scoring.errors.CardError": Meaning(
        "card",
        "A scorecard cannot be used. No score was computed.",
        "The message names file and key, what is wrong and what is allowed; [scoring](scoring.md) explains every key. "
        "`holdfast card lint` also says what is allowed and yet unwise.",
    ),
    "scoring.errors.ScoringError": Meaning(
        "scoring",
        "The tables that scoring was given do not have the promised columns. This is a defect of Holdfast.",
        "Please report the message; nothing was written.",
    ),
    "sync.churn.ChurnFileError": Meaning(
        "churn_file",
        "The file of who left, for `what-if`, cannot be used.",
        "The message names the line. Two columns: the account's id in the CRM, and a day such as 2026-11-01.",
    ),
    "sync.plan.PlanError": Meaning(
        "plan_file",
        "A plan file was changed, is too old, belongs to another CRM or other settings, or is not a plan.",
        "Make a new one: `holdfast plan --out FILE`. Plans are not to be edited; a choice is made by settings.",
    ),
    "sync.approval.HeldError": Meaning(
        "held",
        "The guard holds this plan, and nobody has released this very plan. Nothing of it was written.",
        "Look at it, and at the reasons beside it ([the guard](guard.md)); when it is right, `holdfast approve FILE` "
        "and `holdfast apply FILE`. When it is not, mend the source: the next run plans afresh.",
    ),
    "sync.canary.CanaryError": Meaning(
        "canary",
        "The first few records of a plan were written and something went wrong with them, so nothing more was sent.",
        "The message says what and where: mostly a rule or flow of the CRM changes or refuses our fields. What was "
        "not sent stays planned; `holdfast undo` takes the run back ([the guard](guard.md)).",
    ),
    "sync.writing.MissingFieldsError": Meaning(
        "missing_fields",
        "Fields of ours are missing in the CRM, hidden from the agent's user, or of another type. Nothing was written.",
        "`holdfast setup --dry-run` shows what is to be made, `holdfast setup` makes it. A field of another type is "
        "left alone: rename ours by `[writeback.fields]`.",
    ),
    "sync.undo.UndoError": Meaning(
        "undo",
        "That run cannot be taken back: there is no such run, or it wrote nothing.",
        "`holdfast history` lists the runs and what each has written; [undo](undo.md).",
    ),
    "sync.export.ExportError": Meaning(
        "export",
        "An export could not be made. Files of an earlier export are still whole.",
        "The message names the table or file: most often the disk is full or the folder may not be written.",
    ),
    "connectors.errors.CredentialsError": Meaning(
        "credentials",
        "The vendor does not know us: the token is wrong, was revoked or has run out. Nothing of this vendor was read; "
        "the others were.",
        "Make a new token as the vendor's page says, put it where the config refers to, and try `holdfast check`.",
    ),
    "connectors.errors.MissingPermissionError": Meaning(
        "permission",
        "The vendor knows us, and we may not do this.",
        "Grant what the message names; the vendor's page lists all rights that are needed, and `holdfast check` "
        "compares them with those that are granted.",
    ),
    "connectors.errors.ConfigError": Meaning(
        "vendor_setting",
        "A setting of a vendor leads to the wrong place: no such portal, subdomain or project, or a wrong region.",
        "Correct the key that the message names; [all settings](configuration.md).",
    ),
    "connectors.errors.QuotaError": Meaning(
        "quota",
        "The vendor allows no more calls in this period. What was read is kept.",
        "Nothing, if it is rare: the next run goes on from the same place. Otherwise see who else uses the calls "
        "(`holdfast status` shows ours), run less often, or ask the vendor for more.",
    ),
    "connectors.errors.UnclearError": Meaning(
        "unclear",
        "A request to write was sent and its answer was lost, so that nobody knows whether it had its effect.",
        "Nothing. It is never sent again blindly: the next run asks the CRM what happened ([the ledger](ledger.md)).",
    ),
    "connectors.errors.TransientError": Meaning(
        "unreachable",
        "The vendor did not answer, or answered with errors, through all tries.",
        "Nothing at first: the next run goes on from the same place. If it lasts, see the vendor's status page, then "
        "DNS, proxy and firewall of this computer.",
    ),
    "cli.clock.StoppedError": Meaning(
        "stopped",
        "The run was told to stop while it waited for a vendor. What it waited for was not sent.",
        "Nothing: the next run goes on from the same place. If `[run] deadline` stops runs often, raise it.",
    ),
    "connectors.errors.CursorExpiredError": Meaning(
        "cursor_expired",
        "The vendor no longer knows the place up to which we had read.",
        "Nothing: the stream is read once from its beginning. If it comes again and again, please report it.",
    ),
    "connectors.errors.RequestError": Meaning(
        "refused",
        "The vendor refuses a request for good.",
        "The message has the vendor's words. Often a field of the field map no longer exists: `holdfast check`. If "
        "nothing of yours explains it, please report it.",
    ),
    "connectors.errors.ShapeError": Meaning(
        "shape",
        "The answer is not what the vendor documents: a proxy's page, half an answer, or a change at the vendor. "
        "Nothing of it was used.",
        "See whether a proxy or gateway stands in between. If the vendor has changed, Holdfast needs a new version.",
    ),
    "sync.doubt.DoubtError": Meaning(
        "doubt",
        "The answer is well-formed and yet not believed: far too few rows, or values that all became empty. Nothing of "
        "it was taken over; scores rest on what was known before.",
        "Look at the source. When it is right and meant so, name it in `[guard] trusted` for one run "
        "([the guard](guard.md)).",
    ),
    "sync.lock.FencedError": Meaning(
        "fenced",
        "Another agent has taken over this state folder since this one began, so this one wrote no more.",
        "Find out who started two of them; the lock file must never be deleted ([operations](operations.md)).",
    ),
    "sync.lock.LockedError": Meaning(
        "locked",
        "Another agent is at work on this state folder.",
        "Wait for it to end, or stop it. Never delete the file `lock`: it is the kernel's, and no dead agent holds it.",
    ),
    "sync.heartbeat.SecondAgentError": Meaning(
        "second_agent",
        "Another agent, with a state folder of its own, writes into this CRM. This one writes nothing.",
        "Stop one of the two for good. Which one wrote what: the field `agent` on the accounts, and the message.",
    ),
    "sync.store_errors.EnvironmentMismatchError": Meaning(
        "other_account",
        "The credentials lead to another portal, org or project than the one that this state folder belongs to.",
        "Correct the credentials, or take a state folder of its own for the other account (`[state] dir`).",
    ),
    "sync.store_errors.DamagedError": Meaning(
        "damaged",
        "The state file says something else than what was written into it. Nothing is written on its word.",
        "`holdfast state check` says what is wrong, `holdfast state restore` puts the newest whole copy back "
        "([operations](operations.md#damage)).",
    ),
    "sync.ledger_owned.LedgerError": Meaning(
        "ledger",
        "The ledger was asked for what it must never do, and refused. Nothing was committed.",
        "This is a defect of Holdfast: please report the message. The next run settles what was begun.",
    ),
    "sync.store_errors.StoreError": Meaning(
        "state_file",
        "The state file cannot be used: the disk is full, a mode is wrong, the folder lies on a network file system, "
        "or another program holds the file.",
        "The message says what to do; nothing half-done was kept ([operations](operations.md)).",
    ),
    "notify.errors.FailedError": Meaning(
        "not_told",
        "A message to people was certainly not sent. The run itself is not affected.",
        "Correct the channel as the message says and try `holdfast notify --test`; the next run sends what waits.",
    ),
    "notify.errors.UnclearError": Meaning(
        "told_perhaps",
        "A message to people was sent and its answer was lost.",
        "Nothing: the next run sends it again, under the same id.",
    ),
    "cli.errors.CommandError": Meaning(
        "command",
        "It cannot do that: options that do not go together, a name that is not known, or nothing is stored yet.",
        "The message says what to give or to run first; [commands](commands.md).",
    ),
    "builtins.OSError": Meaning(
        "system",
        "The computer refused a file or folder: it is missing, may not be opened, or the disk is full.",
        "The message names it. Run as the user to whom the state folder belongs.",
    ),
    "builtins.Exception": Meaning(
        "defect",
        "Something that was not foreseen. Nothing unclear is lost: whatever was sent is in the ledger.",
        "Run the command again, and please report the line; it holds no secret and no data of customers.",
    ),
}
ERRORS: Mapping[str, Meaning] = {**_OURS, "sqlite3.Error": _OURS["sync.store_errors.StoreError"]}
"""Class -> what it means; a class that is not listed means what the nearest one does that it is made from."""


def kind_of(error: type[BaseException]) -> str:
    """The word for errors of a class: a heading of docs/errors.md."""
    names = (f"{one.__module__}.{one.__qualname__}" for one in error.__mro__)
    return next((ERRORS[name].kind for name in names if name in ERRORS), "stopped")


def kind_named(name: str) -> str:
    """The word for an error of a vendor of which only the class's name was kept, such as "QuotaError"."""
    from connectors.errors import ConnectorError

    found: list[type[ConnectorError]] = [ConnectorError]
    for one in found:  # grows while it is walked
        if one.__name__ == name:
            return kind_of(one)
        found += one.__subclasses__()
    return kind_of(Exception)
