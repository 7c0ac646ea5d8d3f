import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapping import normalise


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("  Ann@Acme.EXAMPLE ", "ann@acme.example"),
        ("ann@acme.example.", "ann@acme.example"),
        ("a.n.n+tag@gmail.com", "a.n.n+tag@gmail.com"),
        ("jürgen@Bücher.example", "jürgen@xn--bcher-kva.example"),
        ("jürgen@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"),
        ("\uff21nn\uff20acme.example", "ann@acme.example"),
        ("İ@acme.example", "i\u0307@acme.example"),
        ("ann@localhost", "ann@localhost"),
    ],
)
def test_addresses_are_brought_into_one_form(written: str, compared: str) -> None:
    assert normalise.email(written) == compared


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "ann",
            "ann@",
            "@acme.example",
            "a@b@c.example",
            "ann smith@acme.example",
            "ann@ac me.example",
            "ann@-..-",
        ),
        *("ann@-.-", "a\x00b@acme.example", "ann@\u200d.example", "ann@" + "a" * 300 + ".example"),
        *("x" * 2000 + "@acme.example", "é" * 255 + "@a.example", "ann@" + "ü" * 200 + ".example"),
    ],
)
def test_what_is_no_address_is_none(written: str) -> None:
    assert normalise.email(written) is None


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("Acme.Example", "acme.example"),
        ("https://www.acme.example:8443/path?x=1#y", "acme.example"),
        ("//acme.example/", "acme.example"),
        ("http://user:pw@acme.example/", "acme.example"),
        ("www.www.acme.example", "acme.example"),
        ("www.example", "www.example"),
        ("eu.acme.co.uk.", "eu.acme.co.uk"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("ann@acme.example", "acme.example"),
    ],
)
def test_domains_are_brought_into_one_form(written: str, compared: str) -> None:
    assert normalise.domain(written) == compared


@pytest.mark.parametrize("written", ["", "acme", "10.0.0.1", "http://", "a b.example", "x" * 3000, "-.-", "ü" * 300])
def test_what_is_no_domain_is_none(written: str) -> None:
    assert normalise.domain(written) is None


@settings(deadline=None)
@given(st.text() | st.emails())
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise.email(text)
    assert once is None or normalise.email(once) == once
    host = normalise.domain(text)
    assert host is None or normalise.domain(host) == host


@settings(deadline=None)
@given(st.emails())
def test_case_and_surrounding_space_never_matter(address: str) -> None:
    assert normalise.email(f" {address.upper()}\n") == normalise.email(address.upper().lower())


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("001D000000IRFmaIAH", "001D000000IRFma"),
        ("001D000000IRFma", "001D000000IRFma"),
        ("  8000000017 ", "8000000017"),
        ("001D000000IRFmaIAZ", "001D000000IRFmaIAZ"),
        ("123456789012345678", "123456789012345678"),
        ("abcdefghijklmno-AA", "abcdefghijklmno-AA"),
        ("0017", "0017"),
    ],
)
def test_salesforce_ids_are_compared_by_their_15_characters(written: str, compared: str) -> None:
    assert normalise.crm_key(written) == compared


@pytest.mark.parametrize(
    ("written", "full"),
    [
        ("001D000000IRFma", "001D000000IRFmaIAH"),
        ("001D000000IRFmaIAH", "001D000000IRFmaIAH"),
        (" 001D000000IRFma ", "001D000000IRFmaIAH"),
        ("8000000017", "8000000017"),
        ("", ""),
    ],
)
def test_salesforce_ids_in_full(written: str, full: str) -> None:
    assert normalise.full_salesforce_id(written) == full
    assert normalise.full_salesforce_id(full) == full
    assert normalise.crm_key(full) == normalise.crm_key(written)


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9]{15}", fullmatch=True))
def test_the_18_character_form_of_an_id_equals_its_15(short: str) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    bits = ["".join("1" if c.isupper() else "0" for c in reversed(short[i : i + 5])) for i in (0, 5, 10)]
    assert normalise.crm_key(short + "".join(alphabet[int(b, 2)] for b in bits)) == short


def test_tags_are_stripped_only_when_asked() -> None:
    assert normalise.without_tag("ann+x+y@acme.example") == "ann@acme.example"
    assert normalise.without_tag("+x@acme.example") == "+x@acme.example"
    assert normalise.email_domain("ann@acme.example") == "acme.example"
