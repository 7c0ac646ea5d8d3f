"""How far a run is: bars on a terminal, a line a phase and every tenth of a long writing elsewhere."""

from collections.abc import Callable
from contextlib import ExitStack

from rich.progress import Progress, TaskID

from cli.output import Output
from sync.apply import Applied
from sync.pull import PullProgress
from sync.run import Agent, Phase
from sync.run_report import RunReport

MANY = 1000
"""Changes from which on also those who read a file are told how far writing is, every tenth of the way."""

PHASES = {
    "recover": "Settling what an earlier run left unclear",
    "pull": "Pulling what changed",
    "resolve": "Matching accounts and people",
    "score": "Scoring",
    "plan": "Comparing with the CRM",
    "apply": "Writing",
}


def watched(agent: Agent, out: Output, work: Callable[[], RunReport]) -> RunReport:
    """Do the work while a person sees how far it is."""
    with ExitStack() as stack:
        progress = stack.enter_context(out.progress())
        watch, noted = Watch(out, progress), agent.on_phase
        stack.callback(_unwatched, agent, agent.on_phase, agent.on_pull, agent.on_applied)

        def phase(name: Phase) -> None:
            noted(name)
            watch.phase(name)

        agent.on_phase, agent.on_pull, agent.on_applied = phase, watch.pull, watch.applied
        return work()


def _unwatched(
    agent: Agent,
    phase: Callable[[Phase], None],
    pull: Callable[[PullProgress], None],
    applied: Callable[[Applied, int], None],
) -> None:
    """Who listened before listens again: else an agent that runs each hour would say everything once more each time."""
    agent.on_phase, agent.on_pull, agent.on_applied = phase, pull, applied


class Watch:
    """Turns progress into bars on a terminal and into a line a phase elsewhere."""

    def __init__(self, out: Output, progress: Progress | None) -> None:
        self.out = out
        self.progress = progress
        self.bars: dict[str, TaskID] = {}
        self.done = 0
        """Changes that ended, and what was last said of them elsewhere than on a terminal, in tenths."""
        self.said = 0

    def phase(self, name: str) -> None:
        """A new part of the run begins."""
        self.out.line(f"{PHASES[name]} …", style="dim")

    def pull(self, event: PullProgress) -> None:
        """Rows arrived."""
        if self.progress is None:
            return
        key = f"{event.source} {event.stream.replace('_', ' ')}"
        if event.done:
            if key in self.bars:
                self.progress.remove_task(self.bars.pop(key))
            return
        if key not in self.bars:
            self.bars[key] = self.progress.add_task(key, total=None)
        self.progress.update(self.bars[key], completed=event.rows)

    def applied(self, item: Applied, total: int) -> None:
        """A change ended."""
        del item
        self.done += 1
        if self.progress is None:
            tenths = 10 * self.done // max(1, total)
            if total >= MANY and tenths > self.said:
                self.said = tenths
                self.out.line(f"  {self.done:,} of {total:,} written", style="dim")
            return
        if "write" not in self.bars:
            self.bars["write"] = self.progress.add_task("writing", total=total)
        self.progress.advance(self.bars["write"])
