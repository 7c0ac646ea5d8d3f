"""What any source owes its caller: no surprise requests, no writes, cursors and rows that can be kept."""

from conformance.source_manners import *  # noqa: F403 - its cases are collected here
