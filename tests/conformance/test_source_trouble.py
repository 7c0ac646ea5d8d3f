"""Any source in trouble: patient with what passes, plain about what does not, and nothing of it costs a record."""

from conformance.source_trouble import *  # noqa: F403 - its cases are collected here
