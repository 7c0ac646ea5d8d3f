"""The command line over a sandbox on loopback, as tests/cli has it."""

from tests.cli.conftest import card_text, compiled_once, new_site, pulled, run, site, world

__all__ = ["card_text", "compiled_once", "new_site", "pulled", "run", "site", "world"]
