"""How many users each worker is to have: as many as its circles have people."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Allotment"]


@dataclass
class Allotment:
    """How many users each worker is to have, by Locust's name for it, and how many it was told to have."""

    wanted: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)

    def more(self, number: int) -> None:
        """Tell of so many more, worker by worker in turn."""
        for _ in range(number):
            behind = [name for name, wanted in self.wanted.items() if self.told.get(name, 0) < wanted]
            if not behind:
                return
            last = min(behind, key=lambda name: self.told.get(name, 0) / self.wanted[name])
            self.told[last] = self.told.get(last, 0) + 1

    @property
    def complete(self) -> bool:
        """Whether everybody was told of."""
        return all(self.told.get(name, 0) >= wanted for name, wanted in self.wanted.items())
