"""The numbers of `sync.measures` in Prometheus' text format. Labels are names of our own: sources, states, bands."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync.ledger_rows import GOOD
from sync.measures import Measures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def text(measures: Measures) -> bytes:
    """All metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(measures))
    return generate_latest(registry)


def samples(measures: Measures) -> list[dict[str, Any]]:
    """The same numbers, each with its name and labels."""
    return [
        {"name": sample.name, "labels": sample.labels, "value": sample.value}
        for metric in _Numbers(measures).collect()
        for sample in metric.samples
    ]


class _Numbers(Collector):
    def __init__(self, measures: Measures) -> None:
        self.measures = measures

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        yield _labelled("holdfast_info", "Version of Holdfast.", ("version",), {(version("holdfast"),): 1})
        yield from self._runs()
        yield from self._sources()
        now = self.measures
        yield _labelled("holdfast_operations", "Operations in the ledger.", ("state",), _one(now.operations))
        yield GaugeMetricFamily("holdfast_plan_held", "Whether a plan waits for a person.", int(now.held))
        yield _labelled("holdfast_accounts", "Scored accounts.", ("band",), _one(now.bands))
        if now.findings is not None:
            yield GaugeMetricFamily("holdfast_ledger_findings", "What is wrong with the ledger.", now.findings)
        yield _labelled("holdfast_notices", "Notices on record.", ("channel", "state"), now.notices)

    def _runs(self) -> Iterator[Metric]:
        now, last, good = self.measures, self.measures.last, self.measures.last_good
        yield _labelled("holdfast_runs", "Runs on record.", ("mode", "status"), now.runs)
        if last is not None and last.ended is not None:
            ok = int(last.status in GOOD)
            yield GaugeMetricFamily("holdfast_last_run_ok", "Whether the last run did its work.", ok)
            took = (last.ended - last.started).total_seconds()
            yield GaugeMetricFamily("holdfast_last_run_duration_seconds", "How long the last run took.", took)
            at = last.ended.timestamp()
            yield GaugeMetricFamily("holdfast_last_run_timestamp_seconds", "When the last run ended.", at)
            calls = {(str(name),): number for name, number in last.counts.get("calls", {}).items()}
            yield _labelled("holdfast_last_run_calls", "API calls of the last run.", ("source",), calls)
        for place, what in enumerate(("limit", "remaining")):
            left = {(name,): number for name, both in now.quota.items() if (number := both[place]) is not None}
            yield _labelled(f"holdfast_quota_{what}", f"Daily API calls: {what}.", ("source",), left)
        if good is not None and good.ended is not None:
            at = good.ended.timestamp()
            yield GaugeMetricFamily("holdfast_last_good_run_timestamp_seconds", "When a run last did its work.", at)

    def _sources(self) -> Iterator[Metric]:
        now, streams = self.measures.now, self.measures.streams
        key = ("source", "stream")
        rows = {(one.source, one.stream): one.rows for one in streams}
        held = {(one.source, one.stream): one.total for one in streams}
        failed = {(one.source, one.stream): int(bool(one.error)) for one in streams}
        age = {
            (one.source, one.stream): (now - one.complete).total_seconds()
            for one in streams
            if one.complete is not None and not one.off
        }
        yield _labelled("holdfast_source_rows", "Rows of the last pull.", key, rows)
        yield _labelled("holdfast_source_records", "Live records held.", key, held)
        yield _labelled("holdfast_source_failed", "Whether the last pull failed.", key, failed)
        yield _labelled("holdfast_source_age_seconds", "How old what is known of a stream is.", key, age)


def _one(numbers: Mapping[str, int]) -> dict[tuple[str], float]:
    return {(name,): number for name, number in numbers.items()}


def _labelled(name: str, meaning: str, labels: tuple[str, ...], numbers: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, number in sorted(numbers.items()):
        family.add_metric(values, number)
    return family
