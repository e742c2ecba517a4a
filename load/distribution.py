"""Sizes as they are in the field: many small, few large. Everything is drawn from a seeded generator."""

from __future__ import annotations

import math
from random import Random
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Distribution"]


class Distribution(BaseModel):
    """A distribution of sizes, cut off at `least` and `most`.

    `fixed` is always `median`; `uniform` lies between the bounds; `lognormal` has its median and the factor `spread`
    between median and 84th percentile; `pareto` has its median and the tail index `tail` (the smaller, the heavier).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    shape: Literal["fixed", "uniform", "lognormal", "pareto"] = "fixed"
    median: float = Field(default=1.0, gt=0)
    spread: float = Field(default=2.0, ge=1, le=1e6)
    tail: float = Field(default=1.2, ge=0.1)
    least: float = Field(default=1.0, ge=0)
    most: float = Field(default=1e9, gt=0, le=1e9)

    @model_validator(mode="after")
    def _bounds_hold_the_median(self) -> Self:
        if not self.least <= self.most:
            raise ValueError("least is larger than most")
        if self.shape != "uniform" and not self.least <= self.median <= self.most:
            raise ValueError("the median does not lie between least and most")
        return self

    def draw(self, random: Random) -> float:
        """Draw one size."""
        match self.shape:
            case "fixed":
                return self.median
            case "uniform":
                return random.uniform(self.least, self.most)
            case "lognormal":
                drawn = self.median * math.exp(math.log(self.spread) * random.gauss(0, 1))
            case "pareto":
                scale = self.median / 2 ** (1 / self.tail)
                drawn = scale / (1 - random.random()) ** (1 / self.tail)
        return min(max(drawn, self.least), self.most)

    def draw_whole(self, random: Random) -> int:
        """Draw one size in whole numbers."""
        return round(self.draw(random))
