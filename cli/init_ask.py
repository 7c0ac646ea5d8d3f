"""The questions of `init`: asked on a terminal, elsewhere the proposal is taken."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from cli.output import Output

ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LOOKS_SECRET = re.compile(
    r"^(pat-|eyJ|00D|-----BEGIN|xox|[rs]k_(live|test)_)|^(?=.*[a-z])(?=.*[0-9])[A-Za-z0-9]{24,}$|[A-Za-z0-9+=!._-]{40,}"
)
"""What people paste when they take the question for the secret itself."""


@dataclass(frozen=True, slots=True)
class Question:
    """One setting of a vendor that nobody can guess.

    Attributes:
        key: Its name in the config.
        text: What to ask.
        default: The proposal; for a secret, the name of the environment variable.
        secret: The answer says where the secret is, never the secret.
        number: The answer is a whole number.
        choices: The only answers there are.
    """

    key: str
    text: str
    default: str = ""
    secret: bool = False
    number: bool = False
    choices: tuple[str, ...] = ()


QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "hubspot": (Question("token", "service key or access token", "HUBSPOT_TOKEN", secret=True),),
    "salesforce": (
        Question("domain", "My Domain of the org, such as acme.my"),
        Question("consumer_key", "Consumer key of the external client app"),
        Question("consumer_secret", "consumer secret of that app", "SALESFORCE_SECRET", secret=True),
    ),
    "zendesk": (
        Question("subdomain", "Subdomain: 'acme' for https://acme.zendesk.com"),
        Question("email", "E-mail address of the admin to whom the API token belongs"),
        Question("token", "API token", "ZENDESK_TOKEN", secret=True),
    ),
    "mixpanel": (
        Question("project_id", "Project id (Project Settings, Overview)", number=True),
        Question("region", "Where the project's data is kept", "us", choices=("us", "eu", "in")),
        Question("username", "User name of the service account"),
        Question("secret", "secret of the service account", "MIXPANEL_SECRET", secret=True),
    ),
    "amplitude": (
        Question("api_key", "API key of the project (Organization settings, Projects)"),
        Question("region", "Where the project's data is kept", "us", choices=("us", "eu")),
        Question("secret_key", "secret key of the project", "AMPLITUDE_SECRET_KEY", secret=True),
    ),
    "stripe": (Question("key", "restricted key (rk_live_...) with read access", "STRIPE_KEY", secret=True),),
    "sql": (Question("url", "URL of the database, user and password included", "DATABASE_URL", secret=True),),
    "singer": (Question("command", "Program of the Singer tap, with its path"),),
    "files": (Question("folder", "Folder into which files are put, as an absolute path"),),
    "intercom": (
        Question("token", "access token of a private app", "INTERCOM_TOKEN", secret=True),
        Question("region", "Where the workspace's data is kept", "us", choices=("us", "eu", "au")),
    ),
    "typeform": (
        Question("token", "personal access token (forms:read, responses:read)", "TYPEFORM_TOKEN", secret=True),
        Question("forms", "Ids of the NPS forms, with commas between (the part of their address behind /to/)"),
    ),
    "surveymonkey": (
        Question("token", "access token of a private app", "SURVEYMONKEY_TOKEN", secret=True),
        Question("surveys", "Ids of the NPS surveys, with commas between"),
        Question("region", "Data centre, as the token's access_url says", "us", choices=("us", "eu", "ca")),
    ),
}
"""Vendor -> what is needed to connect, in the order in which it is asked."""


def interactive() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin is not None and sys.stdin.isatty()


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks, or takes the proposals.

    Attributes:
        out: Where to say things.
        asks: False takes every proposal.
    """

    out: Output
    asks: bool
    _said: list[str] = field(default_factory=list)

    def text(self, question: str, default: str = "", choices: Sequence[str] = ()) -> str:
        """An answer in words; with `choices` one of them.

        Raises:
            click.Abort: Ctrl-C, or the end of the input.
        """
        if not self.asks:
            return default
        kind = click.Choice(list(choices), case_sensitive=False) if choices else str
        answer = click.prompt(question, default=default or None, type=kind, err=self.out.as_json)
        return str(answer).strip()

    def yes(self, question: str, *, default: bool = True) -> bool:
        """Yes or no."""
        return click.confirm(question, default=default, err=self.out.as_json) if self.asks else default

    def place(self, what: str, default: Mapping[str, str]) -> dict[str, str]:
        """Where a secret is: {"env": NAME} or {"file": PATH}. An answer that looks like the secret is not taken."""
        ((kind, shown),) = default.items()
        if not self.asks:
            return dict(default)
        question = f"Where is the {what}? Name of an environment variable, or path of a file"
        while True:
            answer = self.text(question, shown)
            if answer == shown:
                return {kind: shown}
            if "/" in answer or answer.startswith(("~", ".")) or (answer.count(".") == 1 and len(answer) < 40):
                return {"file": answer}
            if ENV_NAME.fullmatch(answer) and not LOOKS_SECRET.search(answer):
                return {"env": answer}
            self.out.line(
                "That looks like the secret itself, and secrets do not go into the config. Put it into an environment "
                "variable or a file of mode 0600, and give the name. (It is in your terminal's scroll-back now.)",
                style="yellow",
            )

    def vendor(self, kind: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a vendor: what is known already is the proposal, what nobody asks for stays."""
        table: dict[str, Any] = {**known}
        for question in QUESTIONS[kind]:
            if isinstance(known.get(question.key), dict | list) and not question.secret:
                continue  # more than an answer could say
            if question.secret:
                if "oauth_token" in known and question.key == "token":
                    continue  # another way in, chosen by hand
                default = known.get(question.key, {"env": question.default})
                fits = isinstance(default, dict) and len(default) == 1
                if fits or self.asks:  # what does not fit is for the loader to refuse
                    proposed = default if fits else {"env": question.default}
                    table[question.key] = self.place(question.text, proposed)
            elif question.key == "email" and "oauth_token" in known:
                continue
            else:
                self._plain(question, known, table)
        return {key: value for key, value in table.items() if value != ""}

    def _plain(self, question: Question, known: Mapping[str, Any], table: dict[str, Any]) -> None:
        default = str(known.get(question.key, question.default))
        while True:
            answer = self.text(question.text, default, question.choices)
            if not question.number or answer.isdigit() or not self.asks:
                break
            self.out.line(f"{answer!r} is not a whole number.", style="yellow")
        table[question.key] = int(answer) if question.number and answer.isdigit() else answer
