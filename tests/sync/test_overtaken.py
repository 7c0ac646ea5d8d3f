"""An agent that another one overtakes while it waits for an answer: from then on it sends nothing more."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from sync.lock import FencedError
from sync.store import Store
from tests.sync.people_desk import CRMS, Line, PeopleDesk


class Overtaking(Line):
    """Another agent takes the state over before the n-th request is answered, counted from when `sent` was set to 0."""

    def __init__(self, desk: PeopleDesk, number: int) -> None:
        super().__init__(desk.box)
        self.folder, self.number = desk.folder, number
        self.writing = False

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        answer = super().send(request, *args, **kwargs)
        if self.writing and self.sent == self.number:
            other = Store.open(self.folder)
            other.take_fence()
            other.close()
        return answer

    def begin(self, phase: str) -> None:
        """Count from the beginning of the writing."""
        if phase == "apply":
            self.sent, self.writing = 0, True


def overtaken(folder: Path, crm: str, number: int) -> int:
    """Lose the state to another agent at the n-th request of the writing; how many requests the writing sent."""
    desk = PeopleDesk(folder, crm)
    desk.scores.update(dict.fromkeys(sorted(desk.scores)[:2], 20))  # two accounts in trouble, with a task each
    desk.line = line = Overtaking(desk, number)
    with desk.agent() as agent:
        agent.store.take_fence()
        agent.on_phase = line.begin
        try:
            agent.run(dry_run=False, initial=True, with_tasks=True)
        except FencedError:
            assert line.sent >= number
        else:
            assert line.sent < number
    return line.sent


@pytest.mark.parametrize("crm", CRMS)
def test_nothing_leaves_after_another_agent_took_over(tmp_path: Path, crm: str) -> None:
    for number in count(1):
        sent = overtaken(tmp_path / str(number), crm, number)
        if sent < number:
            break
        assert sent == number, f"it went on after request {number}"
    assert number > 5
