"""What a profile asks for: each objective names a figure and its bound. :mod:`load.objectives` judges them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from load.windows import MEASURED

__all__ = ["COUNTS", "SHARES", "STAGES", "Figure", "Objective", "Stage"]

Stage = Literal[
    "intended-acknowledged", "actual-acknowledged", "acknowledged-seen", "seen-decrypted", "intended-seen", "intended-decrypted"
]  # fmt: skip
STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]

Count = Literal["lost", "duplicated", "out-of-order", "undecryptable", "violations"]
Portion = Literal["achieved", "dropped", "errors", "limited", "undecryptable-share"]
Figure = Literal["latency", Count, Portion, "sends-per-second", "deliveries-per-second", "slope", "server"]
COUNTS: tuple[str, ...] = Count.__args__  # type: ignore[attr-defined]
SHARES: tuple[str, ...] = Portion.__args__  # type: ignore[attr-defined]


class Objective(BaseModel):
    """A figure and the bound it has to keep.

    `latency` takes a stage (or, for other acts, `act`) and a percentile, in milliseconds, and is judged for all together or
    for each room size or kind. `undecryptable` can be asked for `canaries` or the `crowd` alone. `slope` is the upward trend of
    `series` over the measured window, in percent an hour. `server` judges a series of the server's own figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    figure: Figure
    stage: Stage | None = None
    act: str = ""
    percentile: float = Field(default=99, gt=0, le=100)
    by: Literal["all", "room-size", "kind"] = "all"
    of: Literal["all", "canaries", "crowd"] = "all"
    series: str = ""
    statistic: Literal["max", "mean", "last"] = "max"
    at_most: float | None = None
    at_least: float | None = None

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError(f"{self.id} needs either at_most or at_least")
        if self.figure == "latency" and (self.stage is None) == (not self.act):
            raise ValueError(f"{self.id} judges a latency and needs either a stage or an act")
        if self.figure in {"slope", "server"} and not self.series:
            raise ValueError(f"{self.id} needs a series")
        return self

    @property
    def unit(self) -> str:
        """The unit of value and bound."""
        if self.figure == "latency":
            return "ms"
        if self.figure in SHARES:
            return "share"
        if self.figure.endswith("-per-second"):
            return "per second"
        return {"slope": "% an hour", "server": ""}.get(self.figure, "")

    def statement(self) -> str:
        """Say what is asked for, in a sentence."""
        if self.figure == "latency":
            what = f"{self.act or self.stage}, percentile {self.percentile:g}"
            what += {"all": "", "room-size": ", for each room size", "kind": ", for each kind of room"}[self.by]
        elif self.figure in {"slope", "server"}:
            what = f"{'upward trend of ' if self.figure == 'slope' else f'{self.statistic} of '}{self.series}"
        else:
            what = self.figure if self.of == "all" else f"{self.figure} ({self.of})"
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        window = "" if self.figure in {*COUNTS, "undecryptable-share"} else f" ({MEASURED})"
        return f"{what}: {bound} {self.unit}".strip() + window
