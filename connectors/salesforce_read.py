"""Reading Salesforce (being filled)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from connectors.base import Batch
from connectors.salesforce_api import Api
from connectors.salesforce_kinds import Kind


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the costly passes run, and by which way.

    Attributes:
        relist: Time between lists of everything.
        bulk_above: Records from which on such a list is made by a bulk job.
    """

    relist: timedelta
    bulk_above: int


class Reader:
    """Reads streams of one org.

    Args:
        api: The org.
        kinds: Every kind that will be read, for the one call that asks for their sizes.
        wanted: Stream -> fields that the field map reads; the usual ones where it says nothing.
        own: Object -> names of our own fields.
        rhythm: How often the costly passes run.
        currency: The currency of an org that has only one, put where other orgs have CurrencyIsoCode.
    """

    def __init__(
        self,
        api: Api,
        kinds: Sequence[Kind],
        wanted: Mapping[str, Sequence[str]],
        own: Mapping[str, Sequence[str]],
        rhythm: Rhythm,
        *,
        currency: str | None = None,
    ) -> None:
        self.api = api

    def pull(self, kind: Kind, cursor: str | None) -> Iterator[Batch]:
        """Records of a kind: everything on the first pull and once a day, else what changed."""
        raise NotImplementedError
