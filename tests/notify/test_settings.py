"""Channels that cannot be used are refused with the key and what is allowed; quiet hours, digests and owners."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cli.config import InvalidConfigError, load
from notify.compose import Account, wants
from notify.digest import last_due, make_digest
from notify.settings import Slack
from sync import outbox
from sync.notices import ALERTS, Notice, keep
from sync.store import Store

ENV = {"HUBSPOT_TOKEN": "t", "HOOK": "https://hooks.slack.example/services/canary", "SECRET": "short"}
CRM = '[crm]\ntype = "hubspot"\ntoken = { env = "HUBSPOT_TOKEN" }\n'
MAIL = 'type = "email"\nhost = "smtp.acme.example"\nsender = "h@acme.example"\n'
URL = "url = { env = 'HOOK' }\n"
BERLIN = ZoneInfo("Europe/Berlin")


def config(folder: Path, channel: str, name: str = "cs") -> Path:
    path = folder / "config.toml"
    path.write_text(f"{CRM}[notify.channels.{name}]\n{channel}", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        ("", "notify.channels.cs.type = '': no such kind of channel. Allowed: slack, email, webhook."),
        ('type = "slak"\n', "Did you mean 'slack'?"),
        ('type = "slack"\n', "notify.channels.cs.url: is missing"),
        ('type = "slack"\nurl = "https://hooks.slack.example/x"\n', "a secret does not belong into the config"),
        ('type = "slack"\nurl = { env = "SECRET" }\n', "must begin with https://"),
        (f'type = "slack"\n{URL}kind = []\n', "cs.kind: unknown key. Did you mean 'kinds'?"),
        (f'type = "slack"\n{URL}kinds = ["digest"]\n', "a digest is asked for with digest = 'daily' or 'weekly'"),
        (f'type = "slack"\n{URL}kinds = ["red"]\n', "notify.channels.cs.kinds.0"),
        (f'type = "slack"\n{URL}quiet = ["8", "9"]\n', 'is no time of day; write for example "08:00"'),
        (f'type = "webhook"\n{URL}secret = {{ env = "SECRET" }}\n', "fewer than 16 characters"),
        (f"{MAIL}to = []\n", "notify.channels.cs.to"),
        (f'{MAIL}to = ["dana"]\n', "'dana' is no e-mail address"),
        (f'{MAIL}to = ["a@b.example\\r\\nBcc: c@d.example"]\n', "is no e-mail address"),
        (f'{MAIL}to = ["a@b.example"]\nusername = "x"\n', "username and password go together"),
        (f'{MAIL}to = ["a@b.example"]\nsecurity = "none"\n', "for a mail server on this machine only"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(tmp_path: Path, channel: str, said: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        load(config(tmp_path, channel), ENV)
    assert said in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[notify]\nchannels = 3\n", "notify.channels = '3'"),
        ("[notify.channels]\ncs = 3\n", "notify.channels.cs: must be a table"),
        ('[notify.channels."C S"]\ntype = "slack"\n', "a name has 1 to 40 of a-z, 0-9, - and _"),
        ('[notify]\ntimeout = "soon"\n', "is not a duration"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CRM + text, encoding="utf-8")
    with pytest.raises(InvalidConfigError) as caught:
        load(path, ENV)
    assert said in str(caught.value)


def test_a_saved_plan_does_not_depend_on_whom_is_told(tmp_path: Path) -> None:
    before = load(config(tmp_path, f'type = "slack"\n{URL}'), ENV)
    after = load(config(tmp_path, f'type = "slack"\n{URL}digest = "weekly"\n'), ENV)
    assert before.notify != after.notify
    assert before.hash == after.hash
    assert "services/canary" not in repr(after)


def slack(**given: object) -> Slack:
    return Slack.model_validate({"type": "slack", "url": ENV["HOOK"], **given})


@pytest.mark.parametrize(
    ("quiet", "hour", "rests"),
    [
        (("20:00", "07:00"), 23, True),
        (("20:00", "07:00"), 3, True),
        (("20:00", "07:00"), 7, False),
        (("20:00", "07:00"), 19, False),
        (("12:00", "13:00"), 12, True),
        (("12:00", "13:00"), 13, False),
    ],
)
def test_quiet_hours_may_reach_over_midnight(quiet: tuple[str, str], hour: int, rests: bool) -> None:  # noqa: FBT001  # a table's column
    assert slack(quiet=quiet).resting(datetime(2026, 11, 2, hour, tzinfo=BERLIN)) is rests


@pytest.mark.parametrize(
    ("owners", "told"),
    [((), True), (("DANA@acme.example",), True), (("7",), True), (("kim@acme.example", "8"), False)],
)
def test_accounts_of_others_are_not_told(owners: tuple[str, ...], told: bool) -> None:  # noqa: FBT001  # as above
    account = Account("1", "Acme", 20, "red", "", "7", "dana@acme.example", None, None)
    wanted = wants(slack(owners=owners), {"1": account})
    now = datetime(2026, 11, 2, tzinfo=UTC)
    assert wanted(Notice("account_red", "1", now)) is told
    assert wanted(Notice("account_red", "unheard-of", now)) is (not owners)
    assert wanted(Notice("run_failed", "", now))
    assert not wants(slack(kinds=["run_failed"]), {})(Notice("plan_held", "", now))
    assert set(slack().kinds) == set(ALERTS)


@pytest.mark.parametrize(
    ("digest", "now", "due"),
    [
        ("daily", "2026-11-03T07:59", "2026-11-02T08:00"),
        ("daily", "2026-11-03T08:00", "2026-11-03T08:00"),
        ("weekly", "2026-11-03T08:00", "2026-11-02T08:00"),
        ("weekly", "2026-11-02T07:00", "2026-10-26T08:00"),
    ],
)
def test_a_digest_is_due_at_a_local_hour(digest: str, now: str, due: str) -> None:
    local = datetime.fromisoformat(now).replace(tzinfo=BERLIN)
    found = last_due(slack(digest=digest), local.astimezone(UTC), BERLIN)
    assert found == datetime.fromisoformat(due).replace(tzinfo=BERLIN)


def test_a_digest_comes_once_and_counts_since_the_last(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    try:
        channel, day = slack(digest="daily"), timedelta(days=1)
        now = datetime(2026, 11, 2, 9, tzinfo=UTC)
        assert make_digest(store, "cs", slack(), now, UTC) is None
        assert make_digest(store, "cs", channel, now, UTC) is None
        keep(store, Notice("account_red", "7", now), {})
        assert make_digest(store, "cs", channel, now + day - timedelta(hours=2), UTC) is None
        made = make_digest(store, "cs", channel, now + 3 * day, UTC)
        assert made is not None
        assert made.facts["red"] == ["7"]
        assert make_digest(store, "cs", channel, now + 3 * day, UTC) is None
        later = make_digest(store, "cs", channel, now + 4 * day, UTC)
        assert later is not None
        assert later.facts["red"] == []
        assert [letter.kind for letter in outbox.letters(store, "cs")] == ["digest"]
    finally:
        store.close()
