"""Who vouches for a plan: the agent that made it, and the person who allowed it.

Both sign with a key that lies in the state folder and never leaves it. A plan that another agent made, that somebody
wrote or changed by hand, or whose approval was made up, is refused before anything is sent.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sync.plan import Plan, PlanError
from sync.plan_file import Approved, PlanFile

KEY_FILE = "key"
KEY_BYTES = 32
FUTURE = timedelta(minutes=5)
"""How far ahead of our clock a plan may have been made: clocks are set."""


class HeldError(Exception):
    """The guard holds this plan and nobody has released it."""


def key(folder: Path) -> bytes:
    """The state folder's key, made when first needed, readable by its owner only.

    Raises:
        PlanError: When the file is there and is not a key.
    """
    path = folder / KEY_FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written under another name first: two commands at once must end up with one key, and never with half of one.
        part = folder / f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        try:
            path.hardlink_to(part)
        except FileExistsError:
            pass
        finally:
            part.unlink()
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    found = path.read_bytes()
    if len(found) != KEY_BYTES:
        raise PlanError(f"{path}: is not a key; move it away, and approve plans made from now on.")
    return found


def save(plan: Plan, path: Path, folder: Path) -> None:
    """Write a plan file that says which agent made it."""
    PlanFile(plan, _sign(folder, "made", plan.hash)).save(path)


def approve(path: Path, by: str, folder: Path, now: datetime) -> PlanFile:
    """Sign a plan file for a person, in place.

    Raises:
        PlanError: When it was not made by this agent or was changed.
    """
    saved = load(path, folder)
    at = now.astimezone(UTC).replace(microsecond=0).isoformat()
    signature = _sign(folder, "approved", saved.plan.hash, saved.plan.kind, by, at)
    signed = replace(saved, approved=Approved(by, at, signature))
    signed.save(path)
    return signed


def load(path: Path, folder: Path) -> PlanFile:
    """Read a plan file and make sure that this agent made it and that its approval, if any, is genuine.

    Raises:
        PlanError: Otherwise.
    """
    saved = PlanFile.load(path)
    plan, approved = saved.plan, saved.approved
    if not _genuine(saved.seal, _sign(folder, "made", plan.hash)):
        raise PlanError(
            f"{path}: was not made by this agent (state folder {folder}), or was changed since; make the plan here."
        )
    if approved is not None and not _genuine(
        approved.signature, _sign(folder, "approved", plan.hash, plan.kind, approved.by, approved.at)
    ):
        raise PlanError(f"{path}: its approval was not made with `holdfast approve`, or was changed; approve it again.")
    return saved


def require_current(plan: Plan, *, config_hash: str, environment: str | None, max_age: int, now: datetime) -> None:
    """Make sure that a plan may still be applied here.

    Args:
        plan: From its file.
        config_hash: Of the settings as they are.
        environment: Fingerprint of the CRM that the state belongs to, None when that is not known yet.
        max_age: Seconds that the settings allow; the plan's own limit counts too.
        now: The instant.

    Raises:
        PlanError: When it is stale, or made under other settings or for another CRM.
    """
    if environment is not None and plan.environment != environment:
        raise PlanError(f"the plan was made for {plan.environment}, but this CRM is {environment}.")
    if plan.config_hash != config_hash:
        raise PlanError("the settings have changed since the plan was made; make it again with `holdfast plan`.")
    age = now - plan.made_at
    allowed = timedelta(seconds=min(max_age, plan.max_age))
    if age > allowed:
        raise PlanError(
            f"the plan is stale: it was made {plan.made_at:%Y-%m-%d %H:%M} UTC, {_hours(age)} ago, and may be applied "
            f"for {_hours(allowed)} (writeback.plan_max_age); make it again with `holdfast plan`."
        )
    if age < -FUTURE:
        raise PlanError(
            f"the plan was made {plan.made_at:%Y-%m-%d %H:%M} UTC, which is still to come by this machine's clock; "
            "set the clock, or make it again with `holdfast plan`."
        )


def require_allowed(plan: Plan, approved_by: str, *, only_approved: bool) -> None:
    """Make sure that somebody has allowed a plan that may not be applied without.

    Args:
        plan: From its file.
        approved_by: A name, empty when nobody has approved it.
        only_approved: Whether the settings want every plan approved.

    Raises:
        HeldError: The guard holds it, and nobody has released it.
        PlanError: The settings want every plan approved, and this one is not.
    """
    if approved_by:
        return
    if plan.held:
        raise HeldError(
            "\n".join(
                [
                    "the guard holds this plan until a person allows it: holdfast approve PLAN --by NAME",
                    *plan.held,
                ]
            )
        )
    if only_approved:
        raise PlanError("the plan is not approved, and writeback.policy is 'approve': use `holdfast approve PLAN`.")


def _sign(folder: Path, *parts: str) -> str:
    return hmac.new(key(folder), json.dumps(parts).encode(), hashlib.sha256).hexdigest()


def _genuine(found: str | None, right: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode("utf-8", "replace"), right.encode())


def _hours(time: timedelta) -> str:
    minutes = int(time / timedelta(minutes=1))
    return f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes // 60} h {minutes % 60} min"
