"""Gives meaning: vendor row to common record, and whom it belongs to."""
