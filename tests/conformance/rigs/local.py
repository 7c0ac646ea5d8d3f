"""Sources without a vendor, for the conformance suites: what they read lies on this machine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from connectors.base import Batch, Clock, FieldSpec, Stream
from connectors.registry import VENDORS
from mapping.fields import FieldMap
from sandbox.core import Sandbox, SandboxClock
from sandbox.model import World
from tests.conformance.rigs.base import Exceptions, NotApplicable, Rig

NO_NETWORK = NotApplicable("nobody is called: no answer can fail, be cut, or be of another shape")
NO_PAGES = NotApplicable("pages are cut by ourselves, not served")
NO_MERGES = NotApplicable("a file or table does not say that two records were merged")
WITHOUT_VENDOR: Exceptions = {
    "an_empty_page_is_not_the_end": NO_PAGES,
    "a_repeated_page_ends_in_an_error": NO_PAGES,
    "a_merged_record_is_gone": NO_MERGES,
    **dict.fromkeys(
        (
            "a_secret_that_the_vendor_repeats_is_not_shown",
            "a_token_that_expires_in_mid_pull_costs_nothing",
            "too_many_requests_are_waited_out_for_as_long_as_asked",
            "too_many_requests_without_a_hint_are_waited_out_too",
            "a_used_up_day_loses_nothing",
            "a_passing_failure_goes_unnoticed",
            "a_lasting_failure_keeps_the_place",
            "a_retired_address_is_a_named_alarm",
            "a_vendor_that_is_down_is_given_up_for_all_streams_at_once",
            "json_of_another_shape_is_refused",
            "text_that_is_no_json_is_refused",
        ),
        NO_NETWORK,
    ),
}


class LocalRig(Rig):
    """A place on this machine that is read."""

    secrets: ClassVar[tuple[str, ...]] = ()

    def __init__(self, world: World, spool: Path, stream: str = "", **options: Any) -> None:
        del stream, options
        self.box = Sandbox(world, SandboxClock(world.now), vendors=())
        self.adapter: Any = SimpleNamespace(meanwhile=None, tampers=[])
        self.spool = spool
        spool.parent.mkdir(parents=True, exist_ok=True)
        self.fill(spool.parent)
        settings: Any = self.settings_made()
        self.map = FieldMap.of_config(self.vendor, settings.stream_tables(), file="config.toml", prefix="streams")
        self.source = self.connect()

    def fill(self, folder: Path) -> None:
        """Put what is to be read into a folder."""
        raise NotImplementedError

    def settings_made(self, **settings: Any) -> Any:
        """Settings as the config gives them."""
        return VENDORS[self.vendor].settings()(**{**self.settings(), **settings})

    def connect(self, *, clock: Clock | None = None, own_fields: Any = (), **settings: Any) -> Any:
        """A connector, as the command line would make it; what is to happen in mid pull happens after a page."""
        chosen, specs = self.settings_made(**settings), list[FieldSpec](own_fields)
        clock = clock or self.box.clock
        made = VENDORS[self.vendor].load().connect(self.vendor, chosen, clock=clock, spool=self.spool, own_fields=specs)
        whole: Callable[[Stream, str | None], Iterator[Batch]] = made.pull

        def pull(stream: Stream, cursor: str | None) -> Iterator[Batch]:
            for batch in whole(stream, cursor):
                yield batch
                if self.adapter.meanwhile is not None:
                    (_, happen), self.adapter.meanwhile = self.adapter.meanwhile, None
                    happen()

        made.pull = pull
        return made

    def page(self, stream: str) -> str:
        return stream

    def repeat_page(self, stream: str) -> None:
        raise NotImplementedError(stream)

    def wrong(self) -> dict[str, Any]:
        raise NotImplementedError

    @staticmethod
    def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
        raise NotImplementedError
