"""Reading any source: everything is found, nothing lost, wherever a pull is killed and whatever changes meanwhile."""

from conformance.source_reading import *  # noqa: F403 - its cases are collected here
