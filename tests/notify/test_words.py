"""Whatever an account is called, a message shows it as a name."""

import json
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP, default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify import mail, slack
from notify.settings import Email
from notify.words import LONGEST, MOST_ITEMS, Item, Message, inert, plain_text

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EMAIL = Email(
    type="email", host="127.0.0.1", sender="holdfast@acme.example", to=("dana@acme.example",), security="none"
)
HOSTILE = [
    "<!channel> everyone",
    "<https://evil.example|Click>",
    "<@U123> & <#C1>",
    "@here @channel @everyone",
    "*bold* _it_ ~no~ `code`",
    "Acme\r\nBcc: all@acme.example\r\n\r\nbody",
    "Acme\u2028To: x@y.example",
    "\u202egnp.exe",
    "https://evil.example/login javascript:alert(1) mailto:x@y.example",
    "\ud800 half",
    "\x1b[31mred",
    "=?utf-8?q?hidden?=",
    "x" * 5000,
]


def message(name: str, title: str = "") -> Message:
    shown = inert(name)
    return Message("id1", "account_red", NOW, title or f"{shown} is newly red", items=[Item(shown, inert(name))])


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_slack_gets_a_hostile_name_as_literal_text(name: str) -> None:
    data = json.loads(slack.body(message(name)))
    assert not any(mark in data["text"] for mark in ("<", ">", "`"))
    assert "@here" not in data["text"]
    kinds = set()

    def walk(element: dict[str, object]) -> None:
        kinds.add(str(element["type"]))
        for child in element.get("elements", []):  # type: ignore[attr-defined]  # a list of such where there is one
            walk(child)

    walk(data["blocks"][0])
    assert kinds == {"rich_text", "rich_text_section", "rich_text_list", "text"}
    assert data["unfurl_links"] is data["unfurl_media"] is False


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_name_makes_no_header_and_no_further_part(name: str) -> None:
    made = mail.letter(message(name), EMAIL, NOW)
    read = message_from_bytes(made.as_bytes(policy=SMTP), policy=default)
    wanted = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(read.keys()) - {"Content-Transfer-Encoding"} == wanted
    assert read["To"] == "dana@acme.example"
    assert not read.is_multipart()
    assert "\n" not in read["Subject"]


@given(st.text(max_size=300))
def test_any_name_stays_on_its_line_without_a_link(name: str) -> None:
    shown = inert(name)
    assert len(shown) <= LONGEST
    assert shown == shown.strip()
    assert len(shown.splitlines()) <= 1
    assert "://" not in shown
    assert inert(shown) == shown
    mail.letter(message(name), EMAIL, NOW).as_bytes(policy=SMTP)
    json.loads(slack.body(message(name)))


def test_a_message_too_long_for_slack_is_cut_at_an_item() -> None:
    items = [Item("n" * LONGEST, "t" * 900) for _ in range(MOST_ITEMS)]
    data = json.loads(slack.body(Message("id", "account_red", NOW, "many", items=items)))
    points = data["blocks"][0]["elements"][1]["elements"]
    assert 0 < len(points) < MOST_ITEMS
    assert sum(len(part["text"]) for point in points for part in point["elements"]) <= slack.MOST


def test_plain_text_holds_everything() -> None:
    made = Message(
        "i", "k", NOW, "Title", ["One."], [Item("Acme", "why"), Item("Bare")], 3, ["holdfast status"], again=True
    )
    assert plain_text(made) == (
        "Title\nOne.\n\n- Acme: why\n- Bare\n\n    holdfast status\n\n"
        "… and 3 more.\nThis may have reached you before.\n"
    )
