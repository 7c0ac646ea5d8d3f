"""The command line: `holdfast`. The entry point and the list of commands; each group of commands lives in `cli/`."""

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from cli.errors import EXIT_CODES, exit_code

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": ("cli.demo", "demo"),
    "init": ("cli.init", "init"),
    "check": ("cli.prepare", "check"),
    "setup": ("cli.prepare", "setup"),
    "sync": ("cli.sync", "sync"),
    "plan": ("cli.sync", "plan"),
    "approve": ("cli.approve", "approve"),
    "apply": ("cli.approve", "apply"),
    "run": ("cli.sync", "run"),
    "explain": ("cli.explain", "explain"),
    "status": ("cli.status", "status"),
    "score": ("cli.look", "score"),
    "what-if": ("cli.whatif", "what_if"),
    "card": ("cli.card", "card"),
    "segments": ("cli.segments", "segments"),
    "report": ("cli.report", "report"),
    "features": ("cli.features", "features"),
    "override": ("cli.override", "override"),
    "edits": ("cli.edits", "edits"),
    "playbooks": ("cli.playbooks", "playbooks"),
    "withheld": ("cli.playbooks", "withheld"),
    "notify": ("cli.notify", "notify"),
    "metrics": ("cli.metrics", "metrics"),
    "feedback": ("cli.feedback", "feedback_command"),
    "history": ("cli.undo", "history"),
    "undo": ("cli.undo", "undo"),
    "export": ("cli.export", "export"),
    "state": ("cli.state", "state"),
    "forget": ("cli.state", "forget"),
    "completion": ("cli.completion", "completion"),
    "sandbox": ("cli.serve", "sandbox"),
}
"""Command -> (module, function). In the order of a newcomer's path; a module is imported when its command is used."""

SUMMARIES = {
    "demo": "Watch a whole run against the built-in sandbox.",
    "init": "Write a config and a scorecard by a few questions.",
    "check": "Say who we are at each vendor, and what is missing.",
    "setup": "Create the agent's fields in the CRM.",
    "sync": "Pull, score and write what changed; --dry-run only shows it.",
    "plan": "Pull, score and save what would change.",
    "approve": "Allow a saved plan, and sign it.",
    "apply": "Write a saved plan, exactly.",
    "run": "Sync again and again, every hour.",
    "explain": "Say why an account has its score, and what changed it.",
    "status": "Show the last runs and the age of every source.",
    "score": "Score what is stored; --sql prints the statement.",
    "what-if": "Score the past again by another card, and measure both against who left.",
    "card": "Write scorecards: presets to copy, and what is unwise on one.",
    "segments": "Show who is in which segment and stage, and who moved.",
    "report": "Write how all customers are doing as one page for a browser.",
    "features": "List every fact that signals and segments can use.",
    "override": "Set an account's band until a day, with a reason.",
    "edits": "List fields of ours that somebody else changed; answer and release them.",
    "playbooks": "Show what became of each playbook's tasks.",
    "withheld": "List actions that wait, with the rule and until when.",
    "notify": "Send what people are to be told; --test tries every channel.",
    "metrics": "Print numbers for monitoring in Prometheus' text format.",
    "feedback": "Show what became of survey answers, and which wait too long.",
    "history": "Show the runs and what became of their changes.",
    "undo": "Put back what a run changed, as far as nobody has touched it since.",
    "export": "Write what is known as files: CSV, Parquet, LookML, Datasette.",
    "state": "Check, copy, restore and rebuild what the agent remembers.",
    "forget": "Take a person out of everything that is stored.",
    "completion": "Print the script that completes commands in bash, zsh or fish.",
    "sandbox": "Serve the simulated vendors.",
}
"""Command -> the sentence that `holdfast --help` shows, so that help need not import anything."""


class LazyGroup(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in a newcomer's order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101  # tells the type checker what the table holds
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Offer the commands without importing them."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=SUMMARIES[name]) for name in COMMANDS if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a misspelt one is told the nearest."""
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


HELP = f"""Customer health scores from the tools you have, previewed, then written into your CRM.

Start with `holdfast demo`. Every command takes --json.

Exit codes: {", ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())}.
"""


@click.group(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="holdfast", prog_name="holdfast")
def cli() -> None:
    """Every command hangs here."""


def main(args: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code; no traceback reaches a person."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # to look for them among all packages takes 10 ms
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no arrow shows "?"
    sys.exit(exit_code(lambda: cli.main(args=args, prog_name="holdfast", standalone_mode=False)))


if __name__ == "__main__":
    main()
