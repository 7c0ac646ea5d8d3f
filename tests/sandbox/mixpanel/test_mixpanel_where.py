from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mixpanel_where import WhereError, evaluate, parse, split

PROPS = {"n": 5, "s": "team", "t": "7", "l": ["a", "b"], "z": None, "time": 100, "at": "2026-11-22T00:00:00"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('properties["n"] == 5', True),
        ('properties["n"] != 5', False),
        ('properties["n"] >= 5.0', True),
        ('properties["n"] > -1', True),
        ('number(properties["t"]) < 8', True),
        ('number(properties["s"]) < 8', False),
        ('number(properties["gone"]) >= 0', False),
        ('string(properties["n"]) == "5"', True),
        ('boolean(properties["z"])', False),
        ('defined(properties["z"])', False),
        ('not defined(properties["gone"]) and properties["s"] in ["team", "x"]', True),
        ('"a" in properties["l"]', True),
        ('"a" in properties["gone"]', False),
        ('(properties["n"] == 4 or properties["s"] == "team") and true', True),
        ("properties['s'] == 'te\\'am'", False),
        ('properties["at"] >= datetime("2026-11-21T23:59:59")', True),
        ('properties["at"] < datetime(1000)', False),
        ('user["s"] > 3', False),
        ('datetime("never") == null', True),
        ('properties["l"] == []', False),
    ],
)
def test_expressions(text: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert bool(evaluate(parse(text), PROPS)) is expected


@pytest.mark.parametrize(
    "text", ['properties["n"', "properties[n", "jql(1)", "1 +", '1 == 1 "x"', "==", "", "[1 2]", "properties", "(1"]
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(WhereError):
        parse(text)


COMPARISONS = st.builds(
    lambda name, op, value: f'properties["{name}"] {op} {value}',
    st.sampled_from(["mp_processing_time_ms", "$time", "time", "n"]),
    st.sampled_from([">=", "<=", ">", "<", "=="]),
    st.integers(0, 9),
)


@given(st.lists(COMPARISONS, min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 9))
def test_bounds_and_rest_together_mean_the_expression(parts: list[str], arrived: int, time: int) -> None:
    node = parse(" and ".join(parts))
    props: dict[str, Any] = {"mp_processing_time_ms": arrived, "$time": time, "time": time, "n": 3}
    bounds, rest = split(node)
    within = bounds.arrived_from <= arrived <= bounds.arrived_to and bounds.time_from <= time <= bounds.time_to
    assert (within and (rest is None or bool(evaluate(rest, props)))) == bool(evaluate(node, props))


def test_bounds_are_not_taken_out_of_alternatives() -> None:
    bounds, rest = split(parse('properties["time"] > 5 or properties["n"] == 1'))
    assert rest is not None
    assert bounds.time_from == float("-inf")
    assert split(None)[1] is None
