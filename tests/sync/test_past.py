"""A score of the past is the same, byte for byte, whatever becomes known, changes or is deleted afterwards."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connectors.base import EventExport
from mapping.schema import SurveyResponse
from scoring.card import Scorecard
from scoring.cards import AnyCards
from scoring.engine import score
from scoring.events import KnownEvent
from scoring.inputs import Band, ScoreRow
from sync import frames, usage
from sync.eras import breaches_at, cards_at, dump, keep_era, keep_releases, parse
from sync.past import Past, band_since, kept_scores
from sync.replay import rerun
from sync.store import Page, Store
from sync.watch import Breach
from tests.scoring.player import DEFAULT
from tests.scoring.rows import fixed_card
from tests.sync.frame_tables import link, pulled, put
from tests.sync.states import DAY, EVENTS, HOUR, NOW, account, contact, ticket

CARD = Scorecard.load()
OTHER = fixed_card()
THEN = NOW + 2 * DAY


def past(store: Store) -> Past:
    return Past(store, "crm", ["crm", "desk", "mp"], CARD)


def written(store: Store, at: datetime) -> str:
    return json.dumps([row._asdict() for row in past(store).score(at, ["account"])], default=str)


def use(store: Store, folder: Path, day: datetime, known: datetime, *lines: tuple[str, str]) -> None:
    """Events of a day (person, group) that replace what was known of it."""
    path = folder / "export.jsonl"
    texts = []
    for n, (person, group) in enumerate(lines):
        said = {"time": int(day.timestamp()) + n, "distinct_id": person, "$user_id": person, "company_id": group}
        texts.append(json.dumps({"event": "Login", "properties": said}))
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    export = EventExport(path, day.date(), day.date(), replaces=True)
    usage.ingest(store, ("mp", "events"), export, EVENTS, cursor=None, now=known)


def hour(store: Store, now: datetime, cards: AnyCards = CARD, *, off: str = "") -> list[ScoreRow]:
    """Pulls that end, and a run that scores and keeps what it found."""
    for source, stream, kind in (("crm", "accounts", "account"), ("crm", "contacts", "contact")):
        pulled(store, source, stream, kind, now)
    pulled(store, "desk", "tickets", "ticket", now, off=off)
    pulled(store, "desk", "csat", "survey_response", now)
    pulled(store, "mp", "events", "usage", now)
    given = frames.inputs(store, now, crm="crm")
    with store.released():
        rows = list(score(cards, given))
    keep_era(store, cards, (), now)
    store.save_scores(1, rows, now)
    return rows


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with accounts, people, tickets, answers and events of three days, scored each day."""
    folder = tmp_path_factory.mktemp("lived")
    store = Store.open(folder / "state")
    live(store, folder)
    store.close()
    return folder / "state"


@pytest.fixture
def lived(days: Path, tmp_path: Path) -> Iterator[Store]:
    """The state after those days."""
    shutil.copytree(days, tmp_path / "state")
    store = Store.open(tmp_path / "state")
    yield store
    store.close()


def live(store: Store, folder: Path) -> None:
    put(store, *(account(name, name=f"Company {name}", lifecycle="customer") for name in "ABC"))
    put(store, contact("1", account_ref="A"), contact("2", account_ref="B"), contact("3", account_ref="C"))
    put(store, account("org", source="desk"), account("org2", source="desk"))
    for day in range(3):
        now = NOW + day * DAY
        use(store, folder, now, now, ("p1", "g1"), *((("p2", "g2"),) * (3 - day)))
        put(store, ticket(f"t{day}", account_ref="org", created_at=now), now=now)
        answer = SurveyResponse(
            source="desk", source_id=f"s{day}", updated_at=now, survey="csat", satisfied=day % 2 == 0,
            score=day % 2, scale_min=0, scale_max=1, responded_at=now, account_ref="org2",
        )  # fmt: skip
        put(store, answer, now=now)
        groups = [("account", "mp", f"g{n}", crm) for n, crm in ((1, "A"), (2, "B"))]
        link(store, ("account", "desk", "org", "A"), ("account", "desk", "org2", "B"), *groups, now=now)
        hour(store, now)


def shake(store: Store, folder: Path, now: datetime) -> None:
    """Everything that may happen later: late records, changes, deletions, merges, a changed card, a closed stream."""
    put(store, ticket("t0", account_ref="org2", at=now, status="solved", solved_at=now, created_at=NOW), now=now)
    put(store, ticket("late", account_ref="org2", at=now, created_at=NOW + HOUR), now=now)
    put(store, account("A", name="Renamed", at=now, lifecycle="other"), contact("3", at=now, account_ref="B"), now=now)
    put(store, account("D", at=now, name="New", lifecycle="customer"), now=now)
    store.commit(Page("desk", "tickets", "ticket", deleted=["t1"]), now)
    store.commit(Page("crm", "accounts", "account", merged={"C": "B"}), now)
    use(store, folder, THEN, now, ("p1", "g1"), ("p1", "g1"), ("p9", "g2"))
    use(store, folder, THEN - DAY, now, ("p7", "g1"))
    link(store, ("account", "desk", "org", "B"), ("account", "mp", "g1", "B"), now=now)
    hour(store, now, OTHER, off="no longer allowed")
    # The winner is merged on, the loser comes back, and what was deleted is merged.
    later = now + HOUR
    store.commit(Page("crm", "accounts", "account", merged={"B": "D"}), later)
    put(store, account("C", name="Back", at=later, lifecycle="customer"), now=later)
    hour(store, later, OTHER)


@pytest.mark.requirement("R72")
def test_a_score_of_the_past_is_the_same_whenever_it_is_made(lived: Store, tmp_path: Path) -> None:
    at = [NOW, NOW + DAY + HOUR, THEN]
    before = [written(lived, when) for when in at]
    assert len(set(before)) == len(at)
    now = THEN + 2 * HOUR
    shake(lived, tmp_path, now)
    assert [written(lived, when) for when in at] == before
    between = written(lived, now)
    assert between not in before
    shake(lived, tmp_path, THEN + 2 * DAY)
    assert [written(lived, when) for when in at] == before
    assert written(lived, now) == between


def test_it_is_what_the_run_of_then_found(lived: Store, tmp_path: Path) -> None:
    now = THEN + DAY
    rows = hour(lived, now)
    shake(lived, tmp_path, THEN + 2 * DAY)
    found = past(lived).score(now)
    assert [row._replace(trend=None) for row in found] == rows


def test_merges_of_the_past_are_followed_as_they_were(lived: Store, tmp_path: Path) -> None:
    put(lived, ticket("c", account_ref="C", source="crm", created_at=NOW), now=THEN + HOUR)
    shake(lived, tmp_path, THEN + 2 * HOUR)

    def tickets(at: datetime) -> dict[str, object]:
        return {row.crm_id: row.features["open_tickets"] for row in past(lived).score(at, ["account"])}

    assert tickets(THEN + HOUR)["C"] == 1  # before it was merged
    assert "C" not in tickets(THEN + 2 * HOUR)
    assert tickets(THEN + 2 * HOUR)["B"] != tickets(THEN + HOUR)["B"]


def test_the_band_is_the_one_that_held(lived: Store) -> None:
    row = next(row for row in past(lived).score(THEN, ["account"]) if row.crm_id == "A")
    held: Band = "red" if row.computed == "yellow" else "yellow"
    lived.save_scores(2, [row._replace(band=held)], THEN + HOUR)
    lived.save_scores(3, [row._replace(band=held, points=row.points + 1)], THEN + DAY)
    found = next(r for r in past(lived).score(THEN + DAY, ["account"]) if r.crm_id == "A")
    assert (found.band, found.computed) == (held, row.computed)
    assert found.held == f"{held} since {THEN + HOUR:%Y-%m-%d}"
    assert found.reason.endswith(found.held)
    kept = kept_scores(lived, THEN + DAY)[row.key]
    assert band_since(kept) == THEN + HOUR
    assert band_since([]) is None


def test_cards_are_known_again_by_their_text(lived: Store) -> None:
    keep_era(lived, OTHER, (), THEN + DAY)
    keep_era(lived, OTHER, (), THEN + 2 * DAY)
    assert lived.rows("SELECT count(*) FROM card") == [(2,)]
    for at, card in ((NOW - DAY, CARD), (THEN, CARD), (THEN + DAY, OTHER), (THEN + 9 * DAY, OTHER)):
        found = cards_at(lived, at)
        assert found is not None
        assert found.fingerprint == card.fingerprint
        assert found.compile("account") == card.compile("account")
    assert parse(dump(CARD)).fingerprint == CARD.fingerprint


def test_a_state_without_runs_goes_by_the_cards_of_now(store: Store) -> None:
    assert cards_at(store, NOW) is None
    assert past(store).cards_at(NOW) is CARD


def test_disbelief_is_kept_where_it_changes(store: Store) -> None:
    silent = Breach("mp", "events", "usage", "silent", NOW, NOW - DAY, "why it is", alarm=True)
    for day, breaches in enumerate([(), (silent,), (silent,), ()]):
        keep_era(store, CARD, breaches, NOW + timedelta(days=day))
    assert store.rows("SELECT count(*) FROM disbelief") == [(3,)]
    assert breaches_at(store, NOW + HOUR) == []
    (found,) = breaches_at(store, NOW + 2 * DAY)
    assert (found.source, found.record, found.last_good, found.alarm) == ("mp", "usage", NOW - DAY, True)
    assert breaches_at(store, NOW + 3 * DAY) == []


@pytest.mark.requirement("R39")
def test_a_release_counts_from_when_the_config_named_it(lived: Store, tmp_path: Path) -> None:
    def release(first: datetime, *accounts: str, **more: str) -> KnownEvent:
        said = {"name": "3.0", "kind": "release", "from": first.date(), "until": (first + 28 * DAY).date(), **more}
        return KnownEvent.model_validate({**said, "accounts": accounts})

    mute, ruled = release(NOW).model_copy(update={"kind": "hold"}), release(NOW, rule="mrr > 0")
    keep_releases(lived, (mute, ruled, release(NOW - DAY, "A")), NOW + DAY)
    keep_releases(lived, (release(NOW + 2 * DAY), release(NOW - DAY, "A")), THEN + DAY)
    card = Scorecard.parse(
        DEFAULT.read_text("utf-8").replace("[triggers.after_release]\nenabled = false", "[triggers.after_release]")
    )

    def days(at: datetime) -> dict[str, object]:
        rows = past(lived).computed(at, cards=card, levels=["account"])
        return {row.crm_id: row.features["days_since_release"] for row in rows}

    early, late = {"A": 2, "B": None, "C": None}, {"A": 1, "B": 1, "C": 1}
    assert (days(NOW), days(NOW + DAY), days(THEN + DAY)) == (dict.fromkeys("ABC"), early, late)
    keep_releases(lived, (), THEN + 2 * DAY)
    assert (days(NOW + DAY), days(THEN + DAY), days(THEN + 2 * DAY)) == (early, late, dict.fromkeys("ABC"))
    with rerun(past(lived), [card], [NOW + DAY, THEN + DAY]) as again:
        found = [{row.crm_id: row.features["days_since_release"] for row in again.score(at)[0]} for at in again.inputs]
    assert found == [early, late]


def test_many_instants_read_once_are_scored_like_one_at_a_time(lived: Store, tmp_path: Path) -> None:
    shake(lived, tmp_path, THEN + 2 * DAY)
    at, cards = [NOW, NOW + DAY + HOUR, THEN + 3 * DAY], (CARD, OTHER)
    expected = {when: [past(lived).computed(when, cards=card, levels=["account"]) for card in cards] for when in at}
    with rerun(past(lived), cards, at) as again:
        assert {when: again.score(when) for when in at} == expected
