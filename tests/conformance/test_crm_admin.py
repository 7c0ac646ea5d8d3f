"""Any CRM, looked after: who it is, what is missing, our own fields."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from conformance.source_trouble import told
from connectors.base import Crm, Quota
from connectors.errors import MissingPermissionError
from tests.conformance.rigs.crm import CrmRig


def test_it_is_a_crm(crm: CrmRig) -> None:
    source = crm.source
    assert isinstance(source, Crm)
    assert min(source.write.update_batch, source.write.create_batch, source.write.read_batch) >= 1
    assert source.write.bulk_batch is None or source.write.bulk_batch > source.write.update_batch
    assert crm.calls() == 0


def test_one_account_is_told_from_another(crm: CrmRig) -> None:
    here, there = crm.source.environment(), crm.other_account().source.environment()
    assert here.fingerprint != there.fingerprint
    assert here.kind != there.kind
    assert crm.connect().environment() == here


def test_a_check_names_every_right_that_is_missing(crm: CrmRig) -> None:
    source, words = crm.without_rights()
    crm.box.journal.clear()
    findings = list(source.check())
    text = " ".join(f"{finding.message} {finding.advice}" for finding in findings if finding.severity == "error")
    assert words
    assert [word for word in words if word not in text] == []
    assert crm.box.journal.writes() == 0


def test_a_check_after_setup_has_nothing_to_complain_of(crm: CrmRig) -> None:
    source = crm.ready()
    assert [finding for finding in source.check() if finding.severity in {"warning", "error"}] == []
    assert crm.box.journal.writes() == 0


def test_the_calls_left_of_the_day_are_known(crm: CrmRig) -> None:
    quota = crm.source.quota()
    assert isinstance(quota, Quota)
    assert quota.limit is not None
    assert quota.remaining is not None
    assert 0 < quota.remaining <= quota.limit
    assert sum(crm.source.calls.values()) <= 2, "one call, and a log-in where there is one"


def test_a_dry_run_of_setup_writes_nothing(crm: CrmRig) -> None:
    specs = crm.specs("account", "contact")
    for _ in range(2):
        diffs = crm.source.setup(specs, dry_run=True)
        assert [diff.spec for diff in diffs[: len(specs)]] == specs
        assert {diff.action for diff in diffs[: len(specs)]} == {"create"}
    assert crm.box.journal.writes() == 0


def test_setup_makes_the_fields_and_then_finds_them(crm: CrmRig) -> None:
    specs = crm.specs("account", "contact")
    made = crm.source.setup(specs, dry_run=False)
    assert [diff.spec for diff in made[: len(specs)]] == specs
    assert {(diff.action, diff.detail) for diff in made[: len(specs)]} == {("create", "")}
    assert all(diff.spec.optional for diff in made[len(specs) :])
    assert crm.box.journal.writes() > 0
    crm.box.journal.clear()
    again = crm.connect().setup(specs, dry_run=False)
    assert {diff.action for diff in again} == {"ok"}
    assert crm.box.journal.writes() == 0


def test_missing_options_are_added(crm: CrmRig) -> None:
    (band,) = (spec for spec in crm.specs() if spec.type == "select")
    crm.source.setup([band], dry_run=False)
    wider = replace(band, options=(*band.options, "blue"))
    assert crm.source.setup([wider], dry_run=True)[0].action == "add_options"
    assert crm.source.setup([wider], dry_run=False)[0].action == "add_options"
    assert crm.connect().setup([wider], dry_run=True)[0].action == "ok"
    assert crm.connect().setup([band], dry_run=True)[0].action == "ok", "the old ones are still there"


def test_a_field_of_another_type_is_left_to_people(crm: CrmRig) -> None:
    spec = crm.conflicting()
    diff = crm.source.setup([spec], dry_run=False)[0]
    assert diff.action == "conflict"
    assert diff.detail
    assert crm.connect().setup([spec], dry_run=True)[0].action == "conflict"


def test_setup_without_the_right_says_so(crm: CrmRig) -> None:
    source = crm.without_setup_rights()
    with pytest.raises(MissingPermissionError) as caught:
        source.setup(crm.specs(), dry_run=False)
    told(crm, caught.value, advice=True)
    assert {diff.action for diff in crm.source.setup(crm.specs(), dry_run=True)[: len(crm.specs())]} == {"create"}


def test_setup_can_be_had_as_files(crm: CrmRig) -> None:
    specs = crm.specs("account", "contact")
    files = crm.source.setup_files(specs)
    assert files == crm.connect().setup_files(specs)
    assert crm.calls() == 0
    for path, text in files.items():
        assert not path.startswith(("/", "."))
        assert ".." not in path
        if path.endswith(".json"):
            json.loads(text)
        elif path.endswith(".xml"):
            ET.fromstring(text)  # noqa: S314 - our own text
    everything = "\n".join([*files, *files.values()])
    assert [spec.name for spec in specs if spec.name not in everything] == []
