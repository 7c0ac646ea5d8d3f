"""Salesforce whose first and daily lists come by bulk jobs, for the conformance suite of sources."""

from typing import Any, ClassVar

from tests.conformance.rigs.base import Exceptions, NotApplicable
from tests.conformance.rigs.salesforce import SalesforceSource

TABLE = NotApplicable("the results of a bulk job are a table of text, not JSON")
NO_PAGES = NotApplicable("a bulk job says how many rows there are, and a page without rows is no page")


class SalesforceBulk(SalesforceSource):
    """An org, each of whose kinds of record has too many for queries."""

    exceptions: ClassVar[Exceptions] = {
        **SalesforceSource.exceptions,
        "an_empty_page_is_not_the_end": NO_PAGES,
        "json_of_another_shape_is_refused": TABLE,
        "an_unknown_field_is_ignored": TABLE,
        "a_record_without_a_usable_id_costs_only_itself": TABLE,
        "a_row_that_is_no_object_costs_only_itself": TABLE,
    }

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "bulk_above": 0}

    def page(self, stream: str) -> str:
        return r"/jobs/query/[^/]+/results"

    def repeat_page(self, stream: str) -> None:
        headers = {"Sforce-Locator": "c2FtZQ", "Sforce-NumberOfRecords": "1", "Content-Type": "text/csv"}
        body = '"Id","SystemModstamp"\n"001Hf0000000001AAA","2026-01-01T00:00:00.000Z"\n'
        self.fault("status", self.page(stream), status=200, body=body, headers=headers, times=1_000)
