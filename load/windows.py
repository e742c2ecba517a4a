"""The parts of a run: what is warming up and what is cooling down is recorded, and not judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MEASURED", "WINDOWS", "Window", "Windows"]

Window = Literal["warm-up", "measured", "cool-down"]
WINDOWS: tuple[Window, ...] = ("warm-up", "measured", "cool-down")
MEASURED: Window = "measured"
Seconds = Annotated[float, Field(ge=0, le=7 * 86400)]


class Windows(BaseModel):
    """How long each window is, in seconds; `grace` is what acts have after the last arrival, then deliveries after that."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    warm_up: Seconds = 10.0
    measured: Seconds = Field(gt=0)
    cool_down: Seconds = 5.0
    grace: Seconds = Field(default=20.0, gt=0)

    @property
    def total(self) -> float:
        """From the first to the last arrival."""
        return self.warm_up + self.measured + self.cool_down

    def at(self, seconds: float) -> Window:
        """Give the window of a moment, in seconds since the start."""
        if seconds < self.warm_up:
            return "warm-up"
        return "measured" if seconds < self.warm_up + self.measured else "cool-down"

    def length(self, window: Window, until: float | None = None) -> float:
        """Give how long a window is, in seconds; of a run that ended `until` seconds after its start, what came of it."""
        begins = {"warm-up": 0.0, "measured": self.warm_up, "cool-down": self.warm_up + self.measured}[window]
        whole = {"warm-up": self.warm_up, "measured": self.measured, "cool-down": self.cool_down}[window]
        return whole if until is None else min(whole, max(0.0, until - begins))
