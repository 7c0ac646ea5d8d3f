"""Zendesk's two satisfaction systems over one truth: legacy `satisfaction_ratings`, and `guide/survey_responses`."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sandbox.zendesk_desk import IDS, Csat, Desk, ticket_id, user_id
from sandbox.zendesk_http import Call, Handler, Refusal, any_page, cursor_page, forbidden, not_found, refuse
from sandbox.zendesk_log import MASK, Keys, make_keys
from sandbox.zendesk_render import Json, group_of, iso

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SURVEY_ID = "01J58KJ9RAE0D2EK7HRVM7Z8F2"
RATING_QUESTION = "01J1WBE8QR0YQVE373K2JDJR0F"
COMMENT_QUESTION = "01J1WBNS76ZC4TTFWP9RCNQ1S8"
RATING_BASE = 36_000_000
EXPIRES = 28 * 86_400
SCORES = {"good": (4, 5), "bad": (1, 3), "received": (1, 5), "offered": (0, 0)}


def ulid(second: int, index: int) -> str:
    """A ULID: 48 bits of milliseconds, then 80 bits that only look random; sorts by time, then by index."""
    noise = int.from_bytes(hashlib.blake2b(str(index).encode(), digest_size=6).digest(), "big")
    number = second * 1000 << 80 | index << 48 | noise
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def _millis(second: int) -> str:
    return iso(second).replace("Z", ".000Z")


class Satisfaction:
    """Both systems; an account runs one at a time, the other one is refused or empty.

    Args:
        desk: The records.
        system: Which of the two the account runs: "survey" or "legacy".
        inactive: How the other one answers: "forbidden" (403) or "empty".
    """

    def __init__(self, desk: Desk, system: str, inactive: str) -> None:
        self.desk = desk
        self.system = system
        self.inactive = inactive

    def routes(self) -> dict[str, Handler]:
        """Path pattern -> handler; all are for admins."""
        return {
            r"satisfaction_ratings": self.ratings,
            r"satisfaction_ratings/count": self.count,
            r"satisfaction_ratings/(\d+)": self.rating,
            r"guide/survey_responses": self.responses,
            r"guide/(?:[a-z-]+/)?survey_responses/([0-9A-Z]{26})": self.response,
        }

    def _offered(self, system: str) -> npt.NDArray[np.int64]:
        """Ticket indexes with a survey by now, in the order of offering."""
        if self.system != system:
            if self.inactive == "forbidden":
                raise forbidden()
            return np.zeros(0, dtype=np.int64)
        order, columns, now = self.desk.survey_order, self.desk.columns, self.desk.now
        order = order[: np.searchsorted(columns.offered[order], now, side="right")]
        kept: npt.NDArray[np.int64] = order[(columns.deleted[order] == 0) | (columns.deleted[order] > now)]
        return kept

    def _keys(self, order: npt.NDArray[np.int64]) -> Keys:
        return make_keys(self.desk.columns.offered[order], order)

    def ratings(self, call: Call, _parts: Sequence[str]) -> Json:
        """Legacy list: `score`, `start_time` and `end_time` (of the answer, else of the offer), `sort_order`."""
        order = self._offered("legacy")
        answered = self._answered(order)
        rating = np.where(answered > 0, self.desk.columns.rating[order], 0)
        moved = np.where(answered > 0, answered, self.desk.columns.offered[order])
        wanted = self._score_mask(call.text("score"), rating, order)
        wanted &= moved >= call.number("start_time", 0)
        if "end_time" in call.request.args:
            wanted &= moved <= call.number("end_time")
        keys = self._keys(order[wanted])
        if call.text("sort_order") == "desc":
            keys = -keys[::-1]
        return any_page(call, keys, "satisfaction_ratings", lambda key: self._legacy(abs(key) & MASK, call.base))

    def _answered(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        answered = self.desk.columns.answered[order]
        done: npt.NDArray[np.int64] = np.where(answered <= self.desk.now, answered, 0)
        return done

    def _score_mask(self, score: str, rating: npt.NDArray[Any], order: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        base, _, comment = score.partition("_with")
        if score and base not in SCORES and base != "unoffered":
            raise refuse(400, "InvalidValue", f"score {score!r} is not supported")
        low, high = SCORES.get(base, (0, 5) if not score else (9, 9))
        wanted: npt.NDArray[np.bool_] = (rating >= low) & (rating <= high)
        if comment:
            said = np.array([bool((csat := self.desk.csat(int(i))) and csat.comment) for i in order], dtype=np.bool_)
            wanted &= said if comment == "_comment" else ~said
        return wanted

    def count(self, _call: Call, _parts: Sequence[str]) -> Json:
        """How many there are."""
        return {"count": {"value": len(self._offered("legacy")), "refreshed_at": iso(self.desk.now)}}

    def rating(self, call: Call, parts: Sequence[str]) -> Json:
        """One legacy rating."""
        index = int(parts[0]) - RATING_BASE
        if index not in self._offered("legacy"):
            raise not_found()
        return {"satisfaction_rating": self._legacy(index, call.base)}

    def _legacy(self, index: int, base: str) -> Json:
        csat = self.desk.csat(index) or Csat(0)
        agent = self.desk.agent_of.get(self.desk.tickets[index].agent_id)
        return {
            "url": f"{base}/satisfaction_ratings/{RATING_BASE + index}.json",
            "id": RATING_BASE + index,
            "assignee_id": None if agent is None else user_id(agent),
            "group_id": group_of(index),
            "requester_id": user_id(self.desk.requester(index)),
            "ticket_id": ticket_id(index),
            "score": csat.score,
            "created_at": iso(csat.offered_at),
            "updated_at": iso(csat.answered_at or csat.offered_at),
            "comment": csat.comment,
            "reason": "No reason provided" if csat.score == "bad" else None,
            "reason_id": 1000 if csat.score == "bad" else None,
            "reason_code": 1000 if csat.score == "bad" else None,
        }

    def responses(self, call: Call, _parts: Sequence[str]) -> Json:
        """New list: filters on creation (milliseconds), tickets and responders; sorted by id or -id only.

        A response is created when the survey is offered and has no answers until somebody answers; answering or
        editing later does not move it.
        """
        order = self._offered("survey")
        created = self.desk.columns.offered[order] * 1000
        wanted = created >= call.number("filter[created_at_start]", 0)
        if "filter[created_at_end]" in call.request.args:
            wanted &= created <= call.number("filter[created_at_end]")
        order = self._of_subjects(call, order[wanted])
        order = self._of_responders(call, order)
        keys = self._keys(order)
        sort = call.text("sort", "id")
        if sort not in ("id", "-id"):
            raise refuse(400, "InvalidValue", f"sort {sort!r} is not allowed, only id or -id")
        keys = -keys[::-1] if sort == "-id" else keys
        return cursor_page(call, keys, "survey_responses", lambda key: self._new(abs(key) & MASK))

    def _of_subjects(self, call: Call, order: npt.NDArray[Any]) -> npt.NDArray[Any]:
        text = call.text("filter[subject_zrns]")
        if not text:
            return order
        ids = [int(zrn[11:]) for zrn in text.split(",") if re.fullmatch(r"zen:ticket:\d+", zrn)]
        indexes = [IDS["tickets"].index(i, len(self.desk.tickets)) for i in ids]
        return order[np.isin(order, [i for i in indexes if i is not None])]

    def _of_responders(self, call: Call, order: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not call.text("filter[responder_ids]"):
            return order
        wanted = set(call.ids("filter[responder_ids]"))
        return np.array([i for i in order.tolist() if user_id(self.desk.requester(i)) in wanted], dtype=np.int64)

    def response(self, _call: Call, parts: Sequence[str]) -> Json:
        """One survey response by its ULID."""
        order = self._offered("survey")
        second = _ulid_second(parts[0])
        offered = self.desk.columns.offered[order]
        for index in order[offered == second].tolist():
            if ulid(second, index) == parts[0]:
                return {"survey_response": self._new(index)}
        title = "The survey is not found by provided id"
        raise Refusal(404, {"errors": [{"code": "NotFound", "status": "404", "title": title}]})

    def _new(self, index: int) -> Json:
        csat = self.desk.csat(index) or Csat(0)
        number, zrn = str(ticket_id(index)), f"zen:ticket:{ticket_id(index)}"
        return {
            "id": ulid(csat.offered_at, index),
            "responder_id": user_id(self.desk.requester(index)),
            "subject_zrns": [zrn],
            "subjects": [{"id": number, "type": "ticket", "zrn": zrn}],
            "survey": {"id": SURVEY_ID, "state": "enabled", "version": 3},
            "expires_at": _millis(csat.offered_at + EXPIRES),
            "answers": _answers(csat),
        }


def _ulid_second(text: str) -> int:
    number = 0
    for letter in text:
        if letter not in CROCKFORD:
            return 0
        number = number << 5 | CROCKFORD.index(letter)
    return (number >> 80) // 1000


def _answers(csat: Csat) -> list[Json]:
    if csat.rating is None or csat.answered_at is None:
        return []
    stamps = {"created_at": _millis(csat.answered_at), "updated_at": _millis(csat.answered_at)}
    question = {"id": RATING_QUESTION, "sub_type": "customer_satisfaction", "type": "rating_scale_numeric"}
    rating = {"type": "rating_scale", "question": question, "rating": csat.rating, "rating_category": csat.category}
    comment_question = {"id": COMMENT_QUESTION, "type": "open_ended"}
    if csat.comment is None:
        comment: Json = {"type": "skipped", "question": comment_question}
    else:
        comment = {"type": "open_ended", "question": comment_question, "value": csat.comment}
    return [{**comment, **stamps}, {**rating, **stamps}]
