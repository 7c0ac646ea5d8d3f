"""The command groups of `holdfast`, one file a group, and the wiring they share."""
