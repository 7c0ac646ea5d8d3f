"""Turns common tables into features, signals, scores, segments and reasons. Pure: reads tables, returns rows."""
