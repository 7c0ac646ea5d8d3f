"""Who is who: matches accounts and people of every source to records of the CRM.

Deterministic: the same keys give the same links, in whatever order and however often they come. Two candidates are no
link, never "the first wins"; they are listed for a person to decide. docs/identity.md explains the rules.
"""

from collections.abc import Iterable, Mapping

from mapping.links import AccountKeys, Link, Member, PersonKeys, Pin, Resolution, Review, Settings

__all__ = ["AccountKeys", "Link", "Member", "PersonKeys", "Pin", "Resolution", "Review", "Settings", "resolve"]


def resolve(
    crm: str,
    accounts: Iterable[AccountKeys],
    people: Iterable[PersonKeys],
    members: Iterable[Member] = (),
    *,
    settings: Settings | None = None,
    merged: Mapping[str, str] | None = None,
) -> Resolution:
    """Match every account and person whose source is not `crm` to the CRM's own.

    Args:
        crm: Name of the CRM's source.
        accounts: Keys of all accounts, those of the CRM included.
        people: Keys of all people, those of the CRM included.
        members: Further (source, person, account) pairs: memberships, and who was active under which group key.
            `PersonKeys.account_ref` need not be repeated.
        settings: The `[identity]` table.
        merged: CRM ids of records merged away -> the record that stayed; accounts and contacts together.
    """
    raise NotImplementedError
