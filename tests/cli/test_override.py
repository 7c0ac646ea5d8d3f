"""`holdfast override`, and the fields that people fill in the CRM: shown, written, heeded, taken back."""

from datetime import timedelta

import pytest

from tests.cli.conftest import Site

BAND, UNTIL, REASON = (f"holdfast_override_{name}" for name in ("band", "until", "reason"))
NOTE = "holdfast_health_note"


def filled(site: Site) -> Site:
    """A CRM that was filled once."""
    assert site.run("setup").code == 0
    assert site.run("sync", "--initial").code == 0
    return site


def says(site: Site, crm_id: str) -> dict[str, str]:
    """What the CRM says on a company."""
    names = (BAND, UNTIL, REASON, "holdfast_health_band", "holdfast_health_score", "holdfast_health_reason")
    return {name: value or "" for name, value in site.records("companies", *names)[crm_id].items()}


def scored(site: Site) -> dict[str, str]:
    """Id -> band of every scored company."""
    bands = site.records("companies", "holdfast_health_band", "holdfast_health_score")
    return {crm_id: one["holdfast_health_band"] for crm_id, one in bands.items() if one["holdfast_health_score"]}


@pytest.mark.requirement("R17", "R84")
def test_an_override_is_written_heeded_listed_and_taken_back(new_site: Site) -> None:
    site = filled(new_site)
    crm_id, band = next((i, b) for i, b in sorted(scored(site).items()) if b != "green")
    until = f"{site.sandbox.clock.now() + timedelta(days=5):%Y-%m-%d}"
    words = ("--band", "green", "--until", until, "--reason", "renewal is signed", "--by", "Dana")

    writes = site.writes()
    shown = site.run("override", crm_id, *words, "--dry-run")
    assert shown.code == 0, shown.text
    assert f"{BAND}" in shown.text
    assert "(empty) → green" in shown.text
    assert site.writes() == writes

    assert site.run("override", crm_id, *words).code == 0
    before = says(site, crm_id)
    assert (before[BAND], before[REASON]) == ("green", "renewal is signed (Dana)")
    assert before["holdfast_health_band"] == band, "the next run applies it"

    site.sandbox.clock.advance(timedelta(hours=1))
    assert site.run("sync").code == 0
    after = says(site, crm_id)
    assert after["holdfast_health_band"] == "green"
    assert after["holdfast_health_score"] == before["holdfast_health_score"]
    assert f"override green until {until}: renewal is signed (Dana)" in after["holdfast_health_reason"]
    assert after[BAND] == "green", "ours to read"

    explained = site.run("explain", crm_id, "--json").data
    assert (explained["band"], explained["computed"]) == ("green", band)
    assert f"The score by itself gives {band}; the band is green." in site.run("explain", crm_id).text

    listed = site.run("override", "--list", "--json").data["overrides"]
    assert [(one["crm_id"], one["band"], one["computed"]) for one in listed] == [(crm_id, "green", band)]

    assert site.run("override", crm_id, "--clear").code == 0
    assert says(site, crm_id)[BAND] == ""
    site.sandbox.clock.advance(timedelta(hours=1))
    assert site.run("sync").code == 0
    assert says(site, crm_id)["holdfast_health_band"] == band
    assert site.run("state", "check").code == 0


@pytest.mark.requirement("R16", "R17")
def test_what_people_write_into_the_crm_is_read_and_never_written(new_site: Site) -> None:
    site = filled(new_site)
    first, second = sorted(scored(site))[:2]
    for crm_id, values in (
        (first, {BAND: "red", REASON: "sponsor left (Kim)", UNTIL: "2030-01-31"}),
        (second, {BAND: "red", NOTE: "Kim is on leave until May (Dana)"}),
    ):
        site.sandbox.mutate("hubspot", "edit", object="companies", id=crm_id, properties=values)
    site.sandbox.clock.advance(timedelta(hours=1))
    said = site.run("sync", "--json")
    assert said.code == 0, said.text
    assert says(site, first)["holdfast_health_band"] == "red"
    assert (says(site, second)[BAND], says(site, second)[UNTIL]) == ("red", "")
    (note,) = [note for note in said.data["plan"]["notes"] if "not applied" in note]
    assert "override red has no reason and no end date" in note
    waiting = site.run("status", "--json").data["waiting"]
    assert [one["why"] for one in waiting if "override" in one["what"]] == [
        "override red has no reason and no end date"
    ]
    site.sandbox.clock.advance(timedelta(hours=1))
    assert site.run("sync").code == 0
    (kept,) = site.run("explain", second, "--json").data["notes"]
    assert kept["text"] == "Kim is on leave until May (Dana)"
    assert "Kim is on leave until May" in site.run("explain", second).text
    assert site.records("companies", NOTE)[second][NOTE] == kept["text"]
    assert not site.run("edits", "--json").data["edits"], "their own fields are no edits of ours"


@pytest.mark.requirement("R17")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Acme"], "say one of --band, --hold and --clear"),
        (["Acme", "--band", "red", "--hold"], "say one of --band, --hold and --clear"),
        (["Acme", "--band", "red", "--until", "2030-01-01"], "an override needs a reason"),
        (["Acme", "--hold", "--reason", " ", "--until", "2030-01-01"], "an override needs a reason"),
        (["Acme", "--hold", "--reason", "moves"], "an override needs an end date"),
        (["Acme", "--hold", "--reason", "moves", "--until", "2020-01-01"], "lies in the past"),
        (["Acme", "--hold", "--reason", "x" * 250, "--until", "2030-01-01", "--by", "Kim D"], "longer than 255"),
        ([], "name an account"),
    ],
)
def test_an_override_without_reason_or_end_is_refused(new_site: Site, words: list[str], why: str) -> None:
    said = new_site.run("override", *words)
    assert said.code == 2
    assert why in said.text


def test_before_the_first_fill_there_is_nothing_to_override(new_site: Site) -> None:
    assert new_site.run("setup").code == 0
    assert new_site.run("sync", "--dry-run").code == 0
    said = new_site.run("override", "x", "--clear")
    assert said.code == 1
    assert "holdfast sync --initial" in said.text


@pytest.mark.requirement("R15")
def test_a_known_event_of_the_config_holds_every_band(new_site: Site) -> None:
    site = filled(new_site)
    now = site.sandbox.clock.now()
    site.add(
        f'[[events]]\nname = "move to the new data centre"\nfrom = {now:%Y-%m-%d}\nuntil = {now:%Y-%m-%d}\n'
        "rule = \"lifecycle = 'customer'\"\n"
    )
    said = site.run("sync", "--dry-run", "--json")
    assert said.code == 0, said.text
    reasons = [
        change["after"]
        for one in said.data["changes"]
        for change in one["fields"]
        if "held until" in str(change["after"])
    ]
    assert reasons
    assert all("held until" in reason and "move to the new data centre" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('name = "x"\nfrom = 2026-01-02\nuntil = 2026-01-01', "until (2026-01-01) lies before from (2026-01-02)"),
        ('name = "x"\nfrom = 2026-01-02', "events.0.until: is missing"),
        ('name = "x"\nfrom = 2026-01-02\nuntil = 2026-02-01\nrule = "nonsense > 1"', "unknown feature 'nonsense'"),
        ('name = "x"\nfrom = 2026-01-02\nuntil = 2026-02-01\nrule = "mrr > 1"', "mrr is not computed"),
        ('name = "x"\nfrom = 2026-01-02\nuntil = 2026-02-01\nwhen = "x"', "unknown key"),
    ],
)
def test_a_wrong_event_is_refused_in_words(new_site: Site, text: str, why: str) -> None:
    new_site.add(f"[[events]]\n{text}\n")
    said = new_site.run("check")
    assert said.code == 2
    assert why in said.text


def test_a_churned_account_says_since_when_it_is_frozen(new_site: Site) -> None:
    site = filled(new_site)
    crm_id = min(scored(site))
    before = says(site, crm_id)
    site.sandbox.mutate("hubspot", "edit", object="companies", id=crm_id, properties={"lifecyclestage": "other"})
    site.sandbox.clock.advance(timedelta(hours=1))
    assert site.run("sync").code == 0
    after = says(site, crm_id)
    words = f"frozen since {site.sandbox.clock.now():%Y-%m-%d}: "
    assert after["holdfast_health_reason"].startswith(words)
    assert {**after, "holdfast_health_reason": ""} == {**before, "holdfast_health_reason": ""}
    assert words in site.run("explain", crm_id).text
    site.sandbox.clock.advance(timedelta(hours=1))
    assert site.run("sync", "--json").data["plan"]["fields"] == 0
