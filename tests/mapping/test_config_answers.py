"""Survey answers of a stream that the config describes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mapping.fields import FieldMap

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FIELDS = {
    "source_id": "id", "survey": "survey", "score": "score", "scale_min": "const:1", "scale_max": "const:5",
    "email": "email", "responded_at": "at",
}  # fmt: skip


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, [False, None, True]),
        ({"satisfied": ""}, [None, None, None]),
        ({"satisfied": {"path": "mood", "values": {"fine": True}}}, [None, True, None]),
    ],
)
def test_an_answer_with_only_a_score_is_content_or_not_by_its_scale(
    more: dict[str, Any], expected: list[bool | None]
) -> None:
    table = {"record": "survey_response", "fields": {**FIELDS, **more}}
    known = FieldMap.of_config("files", {"answers": table}, file="config.toml", prefix="sources.drop.streams")
    rows = [
        {"id": str(number), "survey": "csat", "score": score, "email": "a@b.example", "at": "2026-11-20", "mood": mood}
        for number, (score, mood) in enumerate([("2", ""), ("3", "fine"), ("5", "")])
    ]
    mapped = known.apply("drop", "answers", rows, NOW)
    assert not mapped.rejects
    assert [getattr(record, "satisfied", "") for record in mapped.records] == expected
