"""Mixpanel's app API, simulated as far as it tells who one is: `me`, and the service accounts of a project.

The list of service accounts is as Mixpanel's OpenAPI file describes it (2026-08). For `me` there is no description;
simulated is the part of its answer that Mixpanel's own client reads: organizations, projects and workspaces by id.
"""

from dataclasses import dataclass
from typing import Any

from sandbox.core import MIXPANEL_PROJECT, MIXPANEL_USER

ORGANIZATION = 4200
ROLES = ("owner", "admin", "analyst", "consumer")


@dataclass(frozen=True, slots=True)
class Membership:
    """What the service account may do.

    Attributes:
        role: Its role in the project.
        others: Ids of further projects of which it is a member.
        listed: Whether it may see the list of a project's service accounts.
        known: Whether `me` answers.
    """

    role: str = "analyst"
    others: tuple[int, ...] = ()
    listed: bool = True
    known: bool = True

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"a role is one of {', '.join(ROLES)}, got {self.role!r}")

    def me(self) -> dict[str, Any]:
        """The answer to `me`."""
        projects = {
            str(number): {"name": f"Project {number}", "organization_id": ORGANIZATION, "has_workspaces": True}
            for number in (MIXPANEL_PROJECT, *self.others)
        }
        organization = {"id": ORGANIZATION, "name": "Holdfast Sandbox", "role": "member"}
        return {"organizations": {str(ORGANIZATION): organization}, "projects": projects, "workspaces": {}}

    def accounts(self) -> list[dict[str, Any]]:
        """The service accounts of the project: somebody else's, and ours."""
        rows = (("pipeline.0d4c1a.mp-service-account", "admin"), (MIXPANEL_USER, self.role))
        return [
            {
                "id": number,
                "username": name,
                "last_used": "2026-11-20T08:00:00Z",
                "expires": "2030-01-05T09:00:00Z",
                "creator": 7,
                "created": "2026-01-05T09:00:00Z",
                "user": 100 + number,
                "hasSensitiveAccess": False,
                "role": role,
                "role_order": ROLES.index(role),
                "target_type": "individual",
                "email": f"{name}@mixpanel.example",
            }
            for number, (name, role) in enumerate(rows, start=1)
        ]
