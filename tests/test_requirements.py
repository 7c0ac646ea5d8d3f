"""The list of requirements and the markers on the tests fit each other."""

import textwrap
from pathlib import Path

import pytest

from tests.requirements import RequirementError, check, main, markers, report, requirements


def written(folder: Path, text: str) -> Path:
    (folder / "test_it.py").write_text("import pytest\n" + textwrap.dedent(text))
    return folder


def test_every_marker_of_ours_is_on_a_test_and_has_a_listed_number() -> None:
    known, found = requirements(), markers()
    check(found, known)
    assert sum(map(len, known.values())) == 141
    assert len(found) > 100


def test_the_last_line_counts_each_requirement_once(capsys: pytest.CaptureFixture[str]) -> None:
    code = main()
    words = capsys.readouterr().out.splitlines()[-1].split()
    assert words[::2] == ["requirements", "covered", "uncovered", "later", "out"]
    total, *parts = map(int, words[1::2])
    assert total == sum(parts) == 141
    assert code == (1 if parts[1] else 0)


def test_markers_are_found_wherever_pytest_heeds_them(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        """
        pytestmark = pytest.mark.requirement("R9")

        @pytest.mark.requirement("R1", "R2")
        def test_one(): ...

        @pytest.mark.requirement("R3")
        class TestTwo:
            @pytest.mark.parametrize("x", [1, pytest.param(2, marks=[pytest.mark.requirement("R4")])])
            def test_in(self, x): ...

        class Machine(RuleBasedStateMachine):
            @pytest.mark.requirement("R5")
            @invariant()
            def holds(self): ...
        """,
    )
    found = {(marker.test, marker.number) for marker in markers(folder)}
    assert found == {
        ("test_one", "R9"), ("test_one", "R1"), ("test_one", "R2"),
        ("TestTwo.test_in", "R9"), ("TestTwo.test_in", "R3"), ("TestTwo.test_in", "R4"),
        ("Machine.holds", "R9"), ("Machine.holds", "R5"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('@pytest.mark.requirement("R1")\ndef helper(): ...', "test_it.py:2: a requirement on something that is no"),
        ("@pytest.mark.requirement(R)\ndef test_a(): ...", "must be written out"),
        ("@pytest.mark.requirement()\ndef test_a(): ...", "needs numbers"),
        ('@pytest.mark.requirement("R1", why="x")\ndef test_a(): ...', "needs numbers"),
        ('@pytest.mark.requirement("R01")\ndef test_a(): ...', "'R01' is not a number"),
        ('class A:\n  @pytest.mark.requirement("R1")\n  def helper(self): ...', "no test"),
    ],
)
def test_a_marker_that_cannot_be_right_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RequirementError, match=words):
        markers(written(tmp_path, text))


def test_an_unknown_number_is_refused_by_place(tmp_path: Path) -> None:
    found = markers(written(tmp_path, '@pytest.mark.requirement("R142")\ndef test_a(): ...'))
    with pytest.raises(RequirementError, match=r"test_it.py:2: there is no requirement R142"):
        check(found, requirements())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[in]\nR1 = "a"\n[later]\nR3 = "b"\n[out]', "R2 is missing"),
        ('[in]\nR1 = "a"\n[later]\nR1 = "b"\n[out]', "R2 is missing, or another one is there twice"),
        ('[in]\nR1 = " "\n[later]\n[out]', "R1 needs words"),
        ('[in]\nA1 = "a"\n[later]\n[out]', "'A1' is not a number"),
        ('[in]\nR1 = "a"\n[some]', "needs exactly the tables"),
    ],
)
def test_a_list_that_cannot_be_right_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "list.toml").write_text(text)
    with pytest.raises(RequirementError, match=words):
        requirements(tmp_path / "list.toml")


def test_what_nobody_shows_is_named_and_counted(tmp_path: Path) -> None:
    (tmp_path / "list.toml").write_text('[in]\nR1 = "one"\nR2 = "two"\n[later]\nR3 = "three"\n[out]\nR4 = "four"')
    found = markers(written(tmp_path, '@pytest.mark.requirement("R1", "R3")\ndef test_a(): ...'))
    lines, missing = report(found, requirements(tmp_path / "list.toml"))
    assert missing == 1
    assert lines == [
        "covered (2)",
        "  R1    one",
        "          test_it.py::test_a",
        "  R3    three",
        "          test_it.py::test_a",
        "uncovered (1)",
        "  R2    two",
        "later (0)",
        "out of scope (1)",
        "  R4    four",
        "requirements 4 covered 2 uncovered 1 later 0 out 1",
    ]
