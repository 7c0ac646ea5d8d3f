"""What the journal takes for a write, where only the body of a request can tell."""

from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

ROOT = "/services/data/v64.0"
READS = {"method": "GET", "url": f"{ROOT}/sobjects/Account/describe"}
WRITES = {"method": "PATCH", "url": f"{ROOT}/sobjects/Account/001Hf0000000001AAA"}
LOOKS = {"method": "POST", "url": f"{ROOT}/composite/sobjects/Account?fields=Id"}


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("composite", {"compositeRequest": [READS, LOOKS]}, False),
        ("composite/", {"compositeRequest": [READS]}, False),
        ("composite", {"compositeRequest": [READS, WRITES]}, True),
        ("composite", {"compositeRequest": []}, True),
        ("composite", {"compositeRequest": 7}, True),
        ("composite", ["text"], True),
        ("composite/sobjects", {"compositeRequest": [READS]}, True),
        ("composite/sobjects/Account", {"ids": [], "fields": []}, False),
    ],
)
def test_several_requests_in_one_write_when_one_of_them_does(sf: Any, path: str, body: Any, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    builder = EnvironBuilder(f"{ROOT}/{path}", method="POST", json=body)
    assert sf.vendor.means_to_write(Request(builder.get_environ())) is expected
