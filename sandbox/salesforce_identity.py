"""The identity URL and userinfo: who a session belongs to."""

from typing import Any

from sandbox.salesforce_base import ORGANIZATION
from sandbox.salesforce_errors import SfError, not_found
from sandbox.salesforce_ids import canonical
from sandbox.salesforce_org import Org


class Identity:
    """One calling user.

    Args:
        org: The org.
        user: Their 18-character id.
    """

    def __init__(self, org: Org, user: str) -> None:
        self.org = org
        self.user = user

    def _value(self, name: str) -> Any:
        users = self.org.tables["User"]
        place = users.place(self.user)
        assert place is not None  # noqa: S101 - sessions belong to users that are there
        return users.value(place, name, self.org.now)

    def identity(self, org_id: str, user_id: str, root: str) -> dict[str, Any]:
        """The identity URL's answer. Raises 403 for another user's, 404 for another org's."""
        if canonical(org_id) != ORGANIZATION:
            raise not_found()
        if canonical(user_id) != self.user:
            raise SfError(403, "Missing_OAuth_Token", "Wrong_Org")
        return {
            "id": f"{root}/id/{ORGANIZATION}/{self.user}",
            "asserted_user": True,
            "user_id": self.user,
            "organization_id": ORGANIZATION,
            "username": self._value("Username"),
            "display_name": self._value("Name"),
            "email": self._value("Email"),
            "active": self._value("IsActive"),
            "user_type": "STANDARD",
            "timezone": self._value("TimeZoneSidKey"),
            "urls": {
                "rest": f"{root}/services/data/v{{version}}/",
                "sobjects": f"{root}/services/data/v{{version}}/sobjects/",
                "query": f"{root}/services/data/v{{version}}/query/",
            },
        }

    def userinfo(self, root: str) -> dict[str, Any]:
        """OpenID Connect's userinfo."""
        return {
            "sub": f"{root}/id/{ORGANIZATION}/{self.user}",
            "user_id": self.user,
            "organization_id": ORGANIZATION,
            "preferred_username": self._value("Username"),
            "name": self._value("Name"),
            "email": self._value("Email"),
            "zoneinfo": self._value("TimeZoneSidKey"),
            "active": self._value("IsActive"),
        }
