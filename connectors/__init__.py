"""Speaks to vendors: HTTP and shapes, never meaning."""
