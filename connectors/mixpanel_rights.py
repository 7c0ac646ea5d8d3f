"""What a Mixpanel service account may do: its role in the project, and which other projects it can see.

Both are asked of Mixpanel's app API, whose list of a project's service accounts names their roles (Mixpanel's OpenAPI
file, 2026-08); `me`, which its page on service accounts shows for trying one, lists the projects. Neither counts among
the 60 queries an hour. Where one of them is refused, nothing is concluded from it.
"""

from collections.abc import Iterator
from typing import Any

from connectors.base import Finding
from connectors.errors import ConnectorError
from connectors.http import Http

WIDE = ("owner", "admin")
"""Project roles that manage people, keys and data; exports and queries need neither."""
APP = "app"
"""Calls that are not paced with the queries."""


def weighed(http: Http, project: int, username: str) -> Iterator[Finding]:
    """Compare what the service account may do with reading one project. Costs two calls."""
    role = _role(http, project, username)
    if role is None:
        message = "Mixpanel does not tell the role of the service account in the project; 'analyst' is enough."
        yield Finding("info", "rights", message)
    elif role in WIDE:
        message = f"The service account has the role '{role}' in project {project}; 'analyst' is enough to read it."
        yield Finding("info", "more_rights", message, "Give it the role 'analyst' (Project Settings, Project Users).")
    else:
        yield Finding("ok", "rights", f"The service account has the role '{role}' in project {project}.")
    if others := sorted(_projects(http) - {str(project)}):
        message = f"The service account also opens projects that nobody reads here: {', '.join(others)}."
        yield Finding("info", "more_rights", message, f"Make it a member of project {project} only.")


def _role(http: Http, project: int, username: str) -> str | None:
    """The role in the project, the widest of several; None when it is not told."""
    rows = _results(http, f"api/app/projects/{project}/service-accounts")
    mine = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    roles = {str(row["role"]) for row in mine if row.get("username") == username and row.get("role")}
    return next((role for role in (*WIDE, *sorted(roles)) if role in roles), None)


def _projects(http: Http) -> set[str]:
    """Ids of the projects that the service account can see; empty when it is not told."""
    me = _results(http, "api/app/me")
    projects = me.get("projects") if isinstance(me, dict) else None
    return set(map(str, projects)) if isinstance(projects, dict) else set()


def _results(http: Http, path: str) -> Any:
    try:
        answer = http.json("GET", path, purpose="check", bucket=APP)
    except ConnectorError:
        return None
    return answer.get("results") if isinstance(answer, dict) else None
