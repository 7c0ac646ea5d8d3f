"""Writing to any CRM: what is sent is what is there afterwards, and every change has one true outcome."""

import pytest

from connectors.base import Change, FieldType, Outcome, Value
from tests.conformance.rigs.base import Held
from tests.conformance.rigs.crm import VALUES, WRONG, CrmRig

ROUND_TRIPS = [(kind, value) for kind, values in VALUES.items() for value in values]
MALFORMED = ("", "x", "8000000017x", "\uff10\uff11", "'; --", "0" * 40)


def results(outcomes: list[Outcome]) -> list[str]:
    return [outcome.result for outcome in outcomes]


def label(value: object) -> str:
    return str(value)[:24].encode("unicode_escape").decode()


def test_what_cannot_be_read_is_left_out_of_a_read(crm: CrmRig) -> None:
    source = crm.ready()
    ids = crm.ids("account")
    winner, loser, deleted, *_ = ids
    crm.merge(crm.objects["account"], crm.row("account", winner), crm.row("account", loser))
    crm.delete(crm.objects["account"], crm.row("account", deleted))
    asked = [*ids, "77", *MALFORMED]
    found = source.read("account", asked, [crm.own("of_number"), crm.own("of_text")])
    assert found.keys() == set(ids) - {loser, deleted}
    assert all(values == {crm.own("of_number"): None, crm.own("of_text"): None} for values in found.values())
    assert source.read("account", [], [crm.own("of_number")]) == {}


def test_a_read_of_more_than_one_request_gives_all(crm: CrmRig) -> None:
    source = crm.ready("contact")
    ids = crm.ids("contact")
    assert source.read("contact", ids * 2, [crm.own("of_number")]).keys() == set(ids)


@pytest.mark.parametrize(("kind", "value"), ROUND_TRIPS, ids=label)
def test_a_value_comes_back_as_it_was_sent(crm: CrmRig, kind: FieldType, value: Value) -> None:
    source = crm.ready()
    one, name = crm.ids("account")[0], crm.own(f"of_{kind}")
    assert results(source.send([crm.update(one, {kind: value})])) == ["confirmed"]
    read = source.read("account", [one], [name])[one][name]
    assert read == value
    assert isinstance(read, bool) is isinstance(value, bool)
    stream = crm.objects["account"]
    held = Held(crm, stream)
    held.pull(source)
    pulled = {key: source.own_values(crm.stream(stream), row).get(name) for key, row in held.rows.items()}
    assert pulled[one] == value
    assert {found for key, found in pulled.items() if key != one} <= {None, False}, "nobody else has it"


@pytest.mark.parametrize("kind", list(VALUES))
def test_none_clears(crm: CrmRig, kind: FieldType) -> None:
    source = crm.ready()
    one, name = crm.ids("account")[0], crm.own(f"of_{kind}")
    source.send([crm.update(one, {kind: VALUES[kind][0]})])
    assert results(source.send([crm.update(one, {kind: None})])) == ["confirmed"]
    assert source.read("account", [one], [name]) == {one: {name: None}}


def test_nothing_else_is_touched(crm: CrmRig) -> None:
    source = crm.ready()
    one, two = crm.ids("account")[:2]
    names = [spec.name for spec in crm.specs()]
    full: dict[FieldType, Value] = {kind: values[0] for kind, values in VALUES.items()}
    source.send([crm.update(one, full), crm.update(two, full)])
    before = Held(crm, crm.objects["account"])
    before.pull(source)
    source.send([crm.update(one, {"number": 1})])
    told = source.read("account", [one, two], names)
    assert told[one] == {**{crm.own(f"of_{kind}"): value for kind, value in full.items()}, crm.own("of_number"): 1}
    assert told[two] == {crm.own(f"of_{kind}"): value for kind, value in full.items()}
    after = Held(crm, crm.objects["account"])
    after.pull(source)
    now = crm.box.clock.now()
    stream = crm.objects["account"]
    plain = [crm.map.apply("crm", stream, list(held.rows.values()), now).records for held in (before, after)]
    assert [r.model_dump(exclude={"updated_at"}) for r in plain[0]] == [
        r.model_dump(exclude={"updated_at"}) for r in plain[1]
    ]


def test_every_change_has_one_outcome_in_order(crm: CrmRig) -> None:
    source = crm.ready()
    first, deleted, winner, loser, second, third = crm.ids("account")[:6]
    crm.delete(crm.objects["account"], crm.row("account", deleted))
    crm.merge(crm.objects["account"], crm.row("account", winner), crm.row("account", loser))
    changes = [
        crm.update(first),
        crm.update(deleted),
        crm.update("x"),
        Change("account", second, {crm.own("of_nothing"): 1}, "unknown field"),
        crm.update(third, {"number": "many"}),
        crm.update(loser),
        crm.update(first, {"number": 51}, "again"),
        crm.update(winner),
    ]
    outcomes = source.send(changes)
    assert [outcome.key for outcome in outcomes] == [change.key for change in changes]
    found = results(outcomes)
    assert found.pop(5) in {"gone", "in_doubt"}, "some CRMs write it into the record that it was merged into"
    assert found == ["confirmed", "gone", "rejected", "rejected", "rejected", "confirmed", "confirmed"]
    assert crm.number(source, first) == 51
    assert [outcome.remote_id for outcome in outcomes if outcome.result == "confirmed"] == [first, first, winner]
    assert all(outcome.message for outcome in outcomes if outcome.result != "confirmed")
    assert [crm.number(source, one) for one in (second, third)] == [None, None]


@pytest.mark.parametrize("kind", list(WRONG))
def test_a_wrong_value_costs_only_its_own_record(crm: CrmRig, kind: FieldType) -> None:
    source = crm.ready()
    bad, *good = crm.ids("account")[:6]
    outcomes = source.send([crm.update(bad, {kind: WRONG[kind]}), *(crm.update(one) for one in good)])
    assert results(outcomes) == ["rejected", *(["confirmed"] * len(good))]
    assert crm.own(f"of_{kind}") in outcomes[0].message
    assert outcomes[0].error_code


def test_a_refusal_that_nobody_could_foresee_costs_only_its_own_record(crm: CrmRig) -> None:
    source = crm.ready()
    bad, *good = crm.ids("account")[:7]
    source.send([crm.update(bad, {"number": 1})])
    crm.refuse(bad)
    outcomes = source.send(
        [crm.update(one, {"select": "red" if one == bad else "green"}) for one in (*good[:3], bad, *good[3:])]
    )
    assert results(outcomes) == ["confirmed"] * 3 + ["rejected"] + ["confirmed"] * 3
    assert outcomes[3].error_code
    name = crm.own("of_select")
    assert {one: v[name] for one, v in source.read("account", [bad, *good], [name]).items()} == {
        bad: None, **dict.fromkeys(good, "green")
    }  # fmt: skip


def test_the_last_of_two_changes_of_a_record_holds(crm: CrmRig) -> None:
    source = crm.ready()
    one = crm.ids("account")[0]
    assert (
        results(source.send([crm.update(one, {"number": 1}, "a"), crm.update(one, {"number": 2}, "b")]))
        == ["confirmed"] * 2
    )
    assert crm.number(source, one) == 2


def test_a_full_batch_is_one_request(large_crm: CrmRig) -> None:
    crm = large_crm
    source = crm.ready("contact")
    people = crm.ids("contact")[: source.write.update_batch]
    assert len(people) == source.write.update_batch
    name = crm.own("of_number")
    outcomes = source.send([Change("contact", one, {name: n}, one) for n, one in enumerate(people)])
    assert results(outcomes) == ["confirmed"] * len(people)
    assert crm.sent(crm.updates) == 1
    assert {one: values[name] for one, values in source.read("contact", people, [name]).items()} == {
        one: n for n, one in enumerate(people)
    }


def test_nothing_to_send_is_no_request(crm: CrmRig) -> None:
    assert crm.source.send([]) == []
    assert crm.calls() == 0


def test_a_bulk_send_gives_an_outcome_for_each(large_crm: CrmRig) -> None:
    crm = large_crm
    source = crm.ready("contact")
    ids = crm.ids("contact")
    most = source.write.bulk_batch
    assert most is not None
    assert source.write.update_batch + 5 < len(ids) <= most
    number, text = crm.own("of_number"), crm.own("of_text")
    source.send([Change("contact", ids[0], {text: "to be cleared"}, "before")])
    gone, bad = ids[7], ids[9]
    crm.delete(crm.objects["contact"], crm.row("contact", gone))
    crm.box.journal.clear()
    texts = ['"a", b;\nc', "#N/A", "plain"]
    wanted: list[dict[str, Value]] = [{number: n, text: texts[n % 3] if n else None} for n in range(len(ids))]
    wanted[9][number] = "many"
    changes = [Change("contact", one, values, one) for one, values in zip(ids, wanted, strict=True)]
    outcomes = source.send(changes)
    assert [outcome.key for outcome in outcomes] == ids
    by_result = {result: [o.key for o in outcomes if o.result == result] for result in set(results(outcomes))}
    assert by_result.pop("gone") == [gone]
    assert by_result.pop("rejected") == [bad]
    assert set(by_result) == {"confirmed"}
    assert crm.sent(crm.updates) <= 1, "what a table of text cannot say goes the other way"
    assert source.read("contact", ids, [number, text]) == {
        one: {number: None, text: None} if one == bad else values
        for one, values in zip(ids, wanted, strict=True)
        if one != gone
    }


def test_a_bulk_job_that_fails_is_not_taken_for_done(large_crm: CrmRig) -> None:
    crm = large_crm
    source = crm.ready("contact")
    ids, name = crm.ids("contact"), crm.own("of_number")
    crm.act("options", bulk_fail="InternalServerError : the job failed")
    outcomes = source.send([Change("contact", one, {name: 1}, one) for one in ids])
    assert [outcome.key for outcome in outcomes] == ids
    there = {one for one, values in source.read("contact", ids, [name]).items() if values[name] is not None}
    assert {o.key for o in outcomes if o.result == "confirmed"} <= there
    assert not {o.key for o in outcomes if o.result in {"retry", "rejected", "gone"}} & there
    assert set(results(outcomes)) & {"retry", "in_doubt"}
    assert there <= {o.key for o in outcomes if o.result in {"confirmed", "in_doubt"}}
