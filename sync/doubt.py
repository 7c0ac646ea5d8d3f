"""What a source says that is rather an outage than the truth."""

from connectors.errors import ShapeError


class DoubtError(ShapeError):
    """The answer is well-formed and yet not believed: nothing of it is taken over, and the run goes on without it."""
