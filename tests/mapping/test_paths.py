from typing import Any

import pytest

from mapping import paths

ROW: dict[str, Any] = {
    "id": 7,
    "properties": {"email": "a@b.example", "my.key": 1},
    "companies": [{"id": "1"}, {"id": "2", "primary": True}],
    "one": [{"id": "9"}],
    "two": [{"id": "1"}, {"id": "2"}],
    "both": [{"id": "1", "primary": True}, {"id": "2", "primary": True}],
    "answers": [{"question": {"sub_type": "other"}, "rating": 1}, {"question": {"sub_type": "csat"}, "rating": 4}],
    "flags": [{"on": False, "v": 1}, {"on": True, "v": 2}],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7),
        ("properties.email", "a@b.example"),
        ('properties."my.key"', 1),
        ("companies[primary].id", "2"),
        ("one[primary].id", "9"),
        ("two[primary].id", None),
        ("both[primary].id", None),
        ("companies[*].id", ["1", "2"]),
        ("answers[question.sub_type=csat].rating", 4),
        ("answers[question.sub_type=nps].rating", None),
        ("flags[on=true].v", 2),
        ("companies[*]", ROW["companies"]),
        ("id.email", None),
        ("properties.email.deeper", None),
        ("properties[*].id", None),
        ("missing[*].id", None),
        ("a.b[primary].c", None),
    ],
)
def test_paths_read_what_is_there_and_nothing_else(path: str, value: Any) -> None:
    assert paths.getter(path)(ROW) == value


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", ".a", "a[", "a[]", "a]b", '"a', "a[=x]", "a[b..c]"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(paths.PathError):
        paths.getter(path)


@pytest.mark.parametrize("row", [None, 3, "text", [], {"a": None}, {"a": [None, 3, "x"]}])
def test_other_shapes_read_as_nothing(row: Any) -> None:
    for path in ("a.b", "a[primary].id", "a[x=y].id"):
        assert paths.getter(path)(row) is None
