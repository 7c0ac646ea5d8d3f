"""How sending can end badly. The messages are for the admin and hold no secret."""


class FailedError(Exception):
    """It was certainly not sent; the next run tries again."""


class UnclearError(Exception):
    """It may have been sent; the next run sends it again, under the same id."""
