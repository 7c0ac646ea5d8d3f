"""What each way of keeping tasks from being made twice promises, as `check` tells it."""

from collections.abc import Mapping

from connectors.base import Finding, TaskStrategy

PROMISES: Mapping[TaskStrategy, str] = {
    "unique_key": "New tasks carry a key that {vendor} keeps unique (strategy unique_key): none is made twice, whatever"
    " breaks off, arrives late or is lost, and whoever else writes.",
    "receipt": "Each new task comes with a receipt whose key {vendor} keeps unique, both or neither (strategy receipt):"
    " none is made twice, whatever breaks off, arrives late or is lost, and whoever else writes.",
    "marker": "{vendor} keeps no key of tasks unique (strategy marker): none is made twice as long as one agent writes"
    " and {vendor} finishes or drops a request within 15 minutes.",
}


def task_finding(vendor: str, strategy: TaskStrategy, advice: str) -> Finding:
    """The line about it.

    Args:
        vendor: The CRM's name.
        strategy: Which one is in force.
        advice: What would promise more; left out where nothing would.
    """
    message = PROMISES[strategy].format(vendor=vendor)
    if strategy == "marker":
        return Finding("info", "task_strategy", message, advice)
    return Finding("ok", "task_strategy", message)
