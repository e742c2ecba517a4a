"""What a profile asks for: each objective names a figure and its bound. :mod:`load.objectives` judges them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationInfo, field_validator, model_validator

from load.windows import MEASURED

__all__ = ["BROUGHT_ABOUT", "COUNTS", "SHARES", "STAGES", "Figure", "Objective", "Stage"]

Stage = Literal[
    "intended-acknowledged", "actual-acknowledged", "acknowledged-seen", "seen-decrypted", "intended-seen", "intended-decrypted"
]  # fmt: skip
STAGES: tuple[Stage, ...] = Stage.__args__  # type: ignore[attr-defined]

Count = Literal["lost", "duplicated", "out-of-order", "undecryptable", "violations"]
Portion = Literal["achieved", "dropped", "errors", "limited", "undecryptable-share"]
Figure = Literal["latency", Count, Portion, "sends-per-second", "deliveries-per-second", "slope", "server"]
COUNTS: tuple[str, ...] = Count.__args__  # type: ignore[attr-defined]
SHARES: tuple[str, ...] = Portion.__args__  # type: ignore[attr-defined]
BROUGHT_ABOUT = ("fetch", "first-sync")
"""What has a latency and is no act of the schedule: some act brought it about."""


class Objective(BaseModel):
    """A figure and the bound it has to keep.

    `latency` takes a stage (or, for other acts, `act`) and a percentile, in milliseconds, and is judged for all together or
    for each room size or kind. `errors` is the share of the arrivals that went wrong; with `act` of that act alone, 429 among
    them, also where no arrival but another act brought it about. `undecryptable` can be asked for `canaries` or the `crowd`
    alone. `slope` is the upward trend of `series` over the measured window, in percent an hour. `server` judges a series of the
    server's own figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    figure: Figure
    stage: Stage | None = None
    act: str = ""
    percentile: float = Field(default=99, gt=0, le=100)
    by: Literal["all", "room-size", "kind"] = "all"
    of: Literal["all", "canaries", "crowd"] = "all"
    series: str = ""
    statistic: Literal["max", "mean", "last"] = "max"
    at_most: FiniteFloat | None = None
    at_least: FiniteFloat | None = None

    # A key that does nothing is a mistake: whoever wrote it takes the objective for another one than it is. The defaults
    # may stand anywhere, for a profile that is handed to a worker has all of them.

    @field_validator("stage", "act", "percentile", "by", "of", "series", "statistic")
    @classmethod
    def _does_something(cls, value: str | float | None, info: ValidationInfo) -> str | float | None:
        figure, key = info.data.get("figure"), info.field_name
        if figure is None or key is None or value == cls.model_fields[key].default:
            return value
        if key == "of" and figure not in {"undecryptable", "undecryptable-share"}:
            raise ValueError(f"`of` is for undecryptable and undecryptable-share, not for {figure}")
        if key == "by" and (figure != "latency" or info.data.get("stage") is None):
            raise ValueError("`by` is for the latency of a stage")
        if key == "stage" and figure != "latency":
            raise ValueError(f"`{key}` is for a latency, not for {figure}")
        if key == "act" and figure not in {"latency", "errors"}:
            raise ValueError(f"`{key}` is for a latency and for errors, not for {figure}")
        if key == "percentile" and figure != "latency":
            raise ValueError(f"`{key}` is for a latency, not for {figure}")
        if key == "series" and figure not in {"slope", "server"}:
            raise ValueError(f"`{key}` is for slope and server, not for {figure}")
        if key == "statistic" and figure != "server":
            raise ValueError(f"`{key}` is for server, not for {figure}")
        return value

    @field_validator("act")
    @classmethod
    def _is_known(cls, value: str) -> str:
        from load.profile import ACTS  # noqa: PLC0415 -- a profile is made of objectives

        known = (*ACTS, *BROUGHT_ABOUT)
        if value and value not in known:
            raise ValueError(f"no act {value!r}; acts are {', '.join(known)}")
        return value

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
            part = self.act or ("" if self.of == "all" else self.of)
            what = f"{self.figure} ({part})" if part else self.figure
        bound = f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"
        window = "" if self.figure in {*COUNTS, "undecryptable-share"} else f" ({MEASURED})"
        return f"{what}: {bound} {self.unit}".strip() + window
