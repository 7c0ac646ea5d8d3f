"""A wrong config is told: file, dotted key, value, what is allowed, the nearest right name. Secrets never show."""

from pathlib import Path

import pytest

from cli.config import InvalidConfigError, load
from cli.settings import tables
from sync.duration import parse_duration

ROOT = Path(__file__).parent.parent.parent
CRM = '[crm]\ntype = "hubspot"\ntoken = { env = "HUBSPOT_TOKEN" }\n'
ENV = {
    "HUBSPOT_TOKEN": "pat-canary-1",
    "ZENDESK_TOKEN": "zd-canary-2",
    "MIXPANEL_USER": "mp-user",
    "MIXPANEL_SECRET": "mp-canary-3",
}
CANARIES = ("pat-canary-1", "zd-canary-2", "mp-canary-3")


def write(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_loads_and_shows_no_secret() -> None:
    config = load(ROOT / "config.example.toml", ENV)
    assert config.crm.type == "hubspot"
    assert {source.name for source in config.sources} == {"zendesk", "mixpanel"}
    assert config.run.every == 3600
    assert len(config.hash) == 64
    for canary in CANARIES:
        assert canary not in repr(config)


def test_the_example_names_every_setting() -> None:
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    for section in tables().values():
        for key in section.model_fields:
            assert key in text, key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[crm", "is not valid TOML"),
        ("", "crm: is missing"),
        ("[crm]\n", "crm.type = '': no such vendor"),
        ('[crm]\ntype = "hubspt"\n', "Did you mean 'hubspot'? Allowed: hubspot"),
        ('[crm]\ntype = "zendesk"\n', "crm.type = 'zendesk': no such vendor"),
        ('[crm]\ntype = "hubspot"\n', "crm.token: is missing"),
        ('[crm]\ntype = "hubspot"\ntoken = "pat-canary-1"\n', "crm.token: a secret does not belong into the config"),
        ('[crm]\ntype = "hubspot"\ntoken = { env = "NOPE" }\n', "environment variable NOPE is not set"),
        ('[crm]\ntype = "hubspot"\ntoken = { evn = "NOPE" }\n', "a secret does not belong into the config"),
        ('[crm]\ntype = "hubspot"\ntoken = { file = "none" }\n', "none cannot be read"),
        (CRM + 'tokn = "x"\n', "crm.tokn: unknown key. Did you mean 'token'? Allowed: "),
        (CRM + '[hierarchy]\nrollup = "mean"\n', "hierarchy.rollup = 'mean': Input should be 'children' or 'value'"),
        (CRM + "[writebck]\n", "writebck: unknown key. Did you mean 'writeback'?"),
        (CRM + '[writeback]\npolicy = "yes"\n', "writeback.policy = 'yes': Input should be 'apply' or 'approve'"),
        (CRM + '[writeback]\ncontacts = "maybe"\n', "writeback.contacts = 'maybe'"),
        (CRM + '[run]\nevery = "soon"\n', "run.every = 'soon': 'soon' is not a duration"),
        (CRM + "[run]\nevery = 5\n", "run.every = '5'"),
        (CRM + "[sources.zendsk]\n", "Did you mean 'zendesk'?"),
        (CRM + '[sources.zendesk]\nsubdomain = "a"\nemail = "e"\ntoken = 5\n', "sources.zendesk.token: a secret"),
        (CRM + "[sources.hubspot]\n", "sources.hubspot"),
        (CRM + "[crm.fields]\n[sources]\nx = 3\n", "sources.x"),
        (CRM + "fields = 3\n", "crm.fields: must be a table"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InvalidConfigError) as caught:
        load(path, ENV)
    message = str(caught.value)
    assert said in message
    assert str(path) in message
    assert not any(canary in message for canary in CANARIES)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="`holdfast init` writes one"):
        load(tmp_path / "none.toml", ENV)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_an_unreadable_file_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(InvalidConfigError, match="cannot be read"):
        load(path, ENV)


@pytest.mark.parametrize(("mode", "fine"), [(0o600, True), (0o640, False), (0o604, False)])
def test_secret_files_must_be_private(tmp_path: Path, mode: int, *, fine: bool) -> None:
    secret = tmp_path / "token"
    secret.write_text("pat-canary-1\n")
    secret.chmod(mode)
    path = write(tmp_path, CRM.replace('env = "HUBSPOT_TOKEN"', 'file = "token"'))
    if fine:
        assert load(path, {}).crm.settings.token.get_secret_value() == "pat-canary-1"
    else:
        with pytest.raises(InvalidConfigError, match="chmod 600"):
            load(path, {})


@pytest.mark.parametrize(("mode", "fine"), [(0o440, True), (0o444, False)])
def test_what_systemd_shows_to_a_service_alone_may_look_as_if_a_group_could_read_it(
    tmp_path: Path, mode: int, *, fine: bool
) -> None:
    folder = tmp_path / "credentials" / "holdfast.service"
    folder.mkdir(parents=True)
    (folder / "crm_token").write_text("pat-canary-1")
    (folder / "crm_token").chmod(mode)
    path = write(tmp_path, CRM.replace('env = "HUBSPOT_TOKEN"', f'file = "{folder / "crm_token"}"'))
    env = {"CREDENTIALS_DIRECTORY": str(folder)}
    if fine:
        assert load(path, env).crm.settings.token.get_secret_value() == "pat-canary-1"
    for other in ({}, {"CREDENTIALS_DIRECTORY": str(tmp_path / "other")}, *([] if fine else [env])):
        with pytest.raises(InvalidConfigError, match="chmod 600"):
            load(path, other)


def test_the_hash_follows_the_settings_and_the_card(tmp_path: Path) -> None:
    card = tmp_path / "card.toml"
    card.write_text("a = 1")
    path = write(tmp_path, CRM + '[scoring]\ncard = "card.toml"\n')
    first = load(path, ENV).hash
    assert load(path, {**ENV, "HUBSPOT_TOKEN": "another"}).hash == first
    card.write_text("a = 2")
    assert load(path, ENV).hash != first


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("15m", 900), ("1h", 3600), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "0h", "-1h", "1.5h", "1w", "60"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


SALESFORCE = """\
type = "salesforce"
domain = "acme.my"
consumer_key = "k"
consumer_secret = { env = "HUBSPOT_TOKEN" }
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('currency = "eur"\n', "crm.currency = 'eur': does not have the right form. (ISO code"),
        ("api_version = 64.0\n", "crm.api_version = '64.0': Input should be a valid string. (API version, a text"),
        ('session_id = { env = "HUBSPOT_TOKEN" }\n', "session_id are not one way to log in"),
        (f"[sources.salesforce]\n{SALESFORCE}", "sources.salesforce: the CRM is already read as a source; remove"),
    ],
)
def test_salesforce_settings_that_cannot_be(tmp_path: Path, text: str, said: str) -> None:
    config = write(tmp_path, f"[crm]\n{SALESFORCE}{text}")
    with pytest.raises(InvalidConfigError) as caught:
        load(config, ENV)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{config}: ")
    assert "canary" not in str(caught.value)


def test_a_table_that_is_left_out_is_what_an_empty_one_is() -> None:
    for name, model in tables().items():
        left_out, empty = model.model_construct(), model.model_validate({})
        assert repr(left_out) == repr(empty), name
        assert left_out == empty, name
