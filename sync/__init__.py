"""Moves data and remembers it: everything that must survive a crash."""
