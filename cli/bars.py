"""Bars of progress on a terminal; apart from `cli.output`, since most commands end before one could move."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text


def bars(console: Console) -> Progress:
    """A display of bars that is gone when its work has ended."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=20), HowFar())
    return Progress(*columns, console=console, transient=True)


class HowFar(ProgressColumn):
    """How many are done, of how many where that is known, how fast, and how long the rest will take at that speed."""

    def render(self, task: Task) -> Text:
        """The text behind one bar."""
        total = f" of {task.total:,.0f}" if task.total else ""
        speed = f"  {task.speed:,.0f}/s" if task.speed and task.speed >= 1 else ""
        left = task.time_remaining
        rest = f"  {lasting(left)} left" if left and task.speed else ""
        return Text(f"{task.completed:,.0f}{total}{speed}{rest}")


def lasting(seconds: float) -> str:
    """A time in its two largest units: "45 s", "2 min 5 s", "1 h 20 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
