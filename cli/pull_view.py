"""What is said of reading: a line a source, and one a problem."""

from collections.abc import Sequence

from cli.output import Output, count
from sync.doubt import DoubtError
from sync.reports import PullReport
from sync.run_report import RunReport

WARNINGS = 3
"""Kinds of dropped values that are shown per stream."""


def show_pulls(out: Output, report: RunReport) -> None:
    """One line a source, and one a problem."""
    for source in dict.fromkeys(pull.source for pull in report.pulls):
        pulls = [pull for pull in report.pulls if pull.source == source]
        parts = ", ".join(count(pull.rows, _one(pull.stream)) for pull in pulls if pull.rows)
        if parts or all(pull.ending == "ok" for pull in pulls):
            out.line(f"{source}: {parts or 'nothing new'}")
        for pull in pulls:
            _show_findings(out, pull)
        _show_failures(out, source, [pull for pull in pulls if pull.ending == "failed"], blocked=report.blocked)
    failed = {(pull.source, pull.stream) for pull in report.failed}
    for breach in report.breaches:
        if breach.alarm and (breach.source, breach.stream) not in failed:
            out.warn(f"{breach.source} {breach.stream} is not believed: {breach.why}")
    if report.adopted:
        out.warn(str(report.adopted))
    if report.recovered:
        settled = ", ".join(f"{number} {name}" for name, number in sorted(report.recovered.items()))
        out.line(f"Settled from an earlier run: {settled}.")
    if report.bands:
        bands = ", ".join(f"{report.bands[name]:,} {name}" for name in ("red", "yellow", "green", "unknown"))
        out.line(f"Health of {count(sum(report.bands.values()), 'account')}: {bands}.")


def _one(stream: str) -> str:
    """What one row of a stream is called: streams are named in the plural."""
    noun = stream.replace("_", " ")
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")


def _show_findings(out: Output, pull: PullReport) -> None:
    """What an admin should know of a stream that was read."""
    name = f"{pull.source} {pull.stream}"
    for note in pull.notes:
        out.line(f"  {pull.stream}: {note.removeprefix(f'{pull.source}: ')}", style="dim")
    if pull.counts.rejected:
        out.warn(f"{name}: {count(pull.counts.rejected, 'row')} quarantined; see holdfast status")
    for what, number in pull.warnings.most_common(WARNINGS):
        out.warn(f"{name}: {count(number, 'value')} not used: {what}")


def _show_failures(out: Output, source: str, failed: Sequence[PullReport], *, blocked: str) -> None:
    """One line an error, however many streams met it."""
    rest = "" if f"{source} could not be read" in blocked else "; the run goes on without it"
    for error in dict.fromkeys(_answer(pull.error) for pull in failed):
        pulls = [pull for pull in failed if _answer(pull.error) == error]
        streams = ", ".join(pull.stream for pull in pulls)
        complete = [pull.complete for pull in pulls if pull.complete]
        age = f"last complete {min(complete):%Y-%m-%d %H:%M} UTC" if len(complete) == len(pulls) else "never complete"
        tell = out.warn if pulls[0].error_class == DoubtError.__name__ and rest else out.fail
        whole = pulls[0].error if len(pulls) == 1 else error
        tell(f"{source} {streams}: {whole.removeprefix(f'{source}: ')} ({age}{rest})")


def blocked(report: RunReport) -> str:
    """Why nothing was planned, without the errors of streams that stand above already."""
    words = report.blocked
    for pull in report.failed:
        words = words.replace(f"({pull.stream}: {pull.error})", f"({pull.stream})")
    return words


def _answer(error: str) -> str:
    """An error without the request that met it, where the vendor answered: ten requests meet one wrong password."""
    request, answered, words = error.partition(" answered ")
    return f"answered {words}" if answered and " /" in request else error
