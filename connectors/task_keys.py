"""Our tasks on some accounts, by the key that each carries, and which keys stand on several."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence


class KeyedTasks(ABC):
    """Remembers what it saw last, so that asking for doubles after asking for tasks costs no call."""

    def __init__(self) -> None:
        self._seen: tuple[frozenset[str], Mapping[str, Sequence[str]]] = (frozenset(), {})

    def find(self, account_ids: Sequence[str]) -> dict[str, str]:
        """See `Crm.find_tasks`."""
        found = self._find(account_ids)
        self._seen = (frozenset(account_ids), found)
        return {key: ids[0] for key, ids in found.items()}

    def duplicates(self, account_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See `Crm.duplicate_tasks`."""
        seen, found = self._seen
        if seen != frozenset(account_ids):
            found = self._find(account_ids)
        self._seen = (frozenset(), {})
        return {key: tuple(ids) for key, ids in found.items() if len(ids) > 1}

    @abstractmethod
    def _find(self, account_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Our key -> the tasks that carry it, oldest first, by a consistent read."""
