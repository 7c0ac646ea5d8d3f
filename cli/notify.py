"""`notify`: tells now what waits, shows it, or sends a test."""

from pathlib import Path

import click

from cli.app import agent_at_work
from cli.common import common, current_clock, reading
from cli.config import Config, load
from cli.errors import ERROR, OK, USAGE, CommandError
from cli.look import require_state
from cli.output import Output, count
from cli.telling import Teller, post
from notify.post import Ended
from notify.words import Message, plain_text
from sync.outbox import message_id


@click.command()
@click.option("--test", "as_test", is_flag=True, help="Send every channel a message that says that it works.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent now; send nothing.")
@common
def notify(config: Path, out: Output, *, as_test: bool, dry_run: bool) -> int:
    """Send what waits to the channels of the config: what could not be sent before, digests that are due.

    Runs do this by themselves at their end. --test needs no run before it, and heeds no quiet hours.

    Example: holdfast notify --test
    """
    settings = load(config)
    if not settings.notify.channels:
        raise CommandError(
            f"{config}: notify.channels: there is none; docs/notifications.md shows how to add one.", USAGE
        )
    if as_test:
        return _test(settings, out)
    if dry_run:
        return _show(config, settings, out)
    require_state(config)
    with agent_at_work(config, out) as agent:
        ended = Teller(agent.store, settings, agent.clock, out).send()
    return _say(ended, out)


def _test(settings: Config, out: Output) -> int:
    now = current_clock().now()
    message = Message(
        message_id(f"test {now.isoformat()}"),
        "test",
        now,
        "This is a test",
        ["Holdfast can reach you here. Nothing has happened, and nothing is to be done."],
    )
    ended: list[Ended] = []
    post(settings, [(name, message) for name in settings.notify.channels], now, ended.append)
    return _say(ended, out)


def _show(config: Path, settings: Config, out: Output) -> int:
    with reading(config) as stored:
        planned = Teller(stored.store, settings, stored.clock, out).planned()
    for one in planned:
        out.heading(f"{one.channel} ({settings.notify.channels[one.channel].type})")
        for line in plain_text(one.message).splitlines():
            out.line(f"  {line}")
    out.line(
        f"{count(len(planned), 'message')} would be sent." if planned else "Nothing waits to be sent.", style="bold"
    )
    if out.as_json:
        out.json({"messages": [{"channel": one.channel, "message": one.message} for one in planned]})
    return OK


def _say(ended: list[Ended], out: Output) -> int:
    for one in ended:
        name = f"notify.channels.{one.channel}"
        if one.error:
            out.fail(f"{name}: {one.error}.")
        else:
            out.line(f"{name}: sent")
    if not ended:
        out.line("Nothing waits to be sent.")
    if out.as_json:
        out.json({"ended": ended})
    return ERROR if any(one.error for one in ended) else OK
