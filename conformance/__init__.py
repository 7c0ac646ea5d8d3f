"""The suite that every connector must pass, for connectors of this project and of others; needs pytest."""

import pytest

pytest.register_assert_rewrite(
    *(f"conformance.{name}" for name in ("rig", "held", "source_manners", "source_reading", "source_trouble"))
)
