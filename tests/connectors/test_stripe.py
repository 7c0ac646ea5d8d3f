"""Signing in to Stripe: which keys are taken, what they must be allowed, and what `check` says about it."""

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import MissingPermissionError, RequestError
from connectors.stripe_settings import Settings
from sandbox.core import STRIPE_ACCOUNT
from sandbox.faults import Fault
from sandbox.stripe import SECRET_KEY, TEST_KEY
from tests.connectors.stripe_account import Account


@pytest.fixture
def account() -> Account:
    return Account()


def said(account: Account, **settings: Any) -> dict[str, str]:
    """What `check` says: code -> severity."""
    return {finding.code: finding.severity for finding in account.connect(**settings).check()}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("sk_live_canary", "live secret key.*restricted key.*allow_secret_key"),
        ("pk_live_canary", "must start with rk_live_"),
        ("canary", "must start with rk_live_"),
    ],
)
def test_only_restricted_keys_are_taken(key: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        Settings.model_validate({"key": key})
    assert "canary" not in str(caught.value)


def test_a_live_secret_key_must_be_forced_and_is_told_of(account: Account) -> None:
    findings = said(account, key=SECRET_KEY, allow_secret_key=True)
    assert findings == {"identity": "ok", "more_rights": "info", "quota": "info"}
    where = account.source.environment()
    assert (where.account_id, where.kind, where.time_zone) == (STRIPE_ACCOUNT, "live", "America/New_York")
    assert "Holdfast Sandbox" in where.label


def test_a_test_key_opens_another_account_and_is_told_of(account: Account) -> None:
    assert said(account, key=TEST_KEY)["test_key"] == "warning"
    assert account.connect(key=TEST_KEY).environment().fingerprint != account.connect().environment().fingerprint


@pytest.mark.parametrize(
    ("right", "severity"),
    [("payment_methods", "error"), ("events", "error"), ("prices", "warning"), ("coupons", "warning")],
)
def test_each_missing_right_is_named(account: Account, right: str, severity: str) -> None:
    account.act("close", right=right)
    found = [finding for finding in account.connect().check() if finding.code == "missing_scope"]
    assert [finding.severity for finding in found] == [severity]
    assert right.replace("_", " ") in found[0].message
    assert "read access" in found[0].advice


def test_a_refusal_that_names_no_account_is_passed_on(account: Account) -> None:
    body = {"error": {"type": "invalid_request_error", "message": "Not for you."}}
    account.box.faults.add(Fault("status", "stripe", path="v1/account", status=403, body=body))
    with pytest.raises(MissingPermissionError, match=r"answered 403: Not for you\. Give the restricted key"):
        account.connect().environment()


def test_a_version_that_stripe_does_not_know_is_its_own_words(account: Account) -> None:
    with pytest.raises(ValidationError, match="api_version"):
        account.connect(api_version="latest")
    body = {"error": {"type": "invalid_request_error", "message": "Invalid Stripe API version: 2031-01-01"}}
    account.box.faults.add(Fault("status", "stripe", status=400, body=body))
    with pytest.raises(RequestError, match="Invalid Stripe API version: 2031-01-01"):
        account.connect(api_version="2031-01-01").environment()


def test_every_call_names_its_version(account: Account) -> None:
    response = account.source._http.request("GET", "v1/customers", purpose="check")
    assert response.headers["Stripe-Version"] == "2026-06-24.dahlia"


def test_a_conflict_is_tried_again(account: Account) -> None:
    account.box.faults.add(Fault("status", "stripe", path="v1/customers", status=409, body={"error": {}}))
    assert account.rows("customers")
