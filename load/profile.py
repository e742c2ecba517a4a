"""A load profile: who there is, what they do and how often, what is measured, and what decides. One TOML file each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PrivateAttr, ValidationError, model_validator

from fixtures.toml_lines import line_of
from load.distribution import Distribution
from load.errors import ProfileError
from load.goals import Objective
from load.shapes import HIGHEST_RATE, Arrivals, Replay, cut, peak
from load.windows import Windows

__all__ = ["ACTS", "PROFILES", "Act", "Bounds", "Population", "ProbePlan", "Profile", "RoomPlan", "names"]

PROFILES = Path(__file__).parent / "profiles"
SCHEMA = "vigie.profile/1"
_P = TypeVar("_P", bound=BaseModel)

Act = Literal[
    "send", "file", "receipt", "typing", "search", "direct", "room", "invite", "invite-mail", "join", "login", "logout",
    "register", "guest-send",
]  # fmt: skip
ACTS: tuple[str, ...] = Act.__args__  # type: ignore[attr-defined]
MESSAGES = frozenset({"send", "file", "guest-send"})
"""Acts that put a message into a room: what becomes of them is followed to every device."""

Share = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RoomPlan(_Part):
    """How many rooms of each kind, and how many members those of several have."""

    direct: Number = 0
    private: Number = 0
    public: Number = 0
    sizes: Distribution = Distribution(shape="pareto", median=6, tail=1.1, least=3, most=200)


class Population(_Part):
    """Who there is: agents and guests, their devices and their rooms.

    `canaries` are devices with a full client's machine, checked in everything; of the others the share `decrypting` decrypts
    what it sees. `contacts` is how many people somebody talks to. With `keys_given` everybody's devices have given the keys of
    their rooms before second 0, as in conversations that are under way; without, the first message in each room does.
    """

    people: Annotated[int, Field(ge=2, le=1_000_000)]
    guests: Number = 0
    two_devices: Share = 0.2
    canaries: Share = 0.02
    decrypting: Share = 0.2
    contacts: Distribution = Distribution(shape="pareto", median=5, tail=1.3, least=1, most=150)
    keys_given: bool = False
    rooms: RoomPlan = RoomPlan()


class Bounds(_Part):
    """Up to where the generator itself is healthy; beyond it the run is invalid and judges nobody.

    Milliseconds at the 99th percentile, the busiest worker's share of a core, the share of arrivals nobody was idle for.
    """

    processor: float = Field(default=0.9, gt=0)
    loop_lag_ms: PositiveFloat = 50
    slip_ms: PositiveFloat = 50
    dropped: Share = 0.001


class ProbePlan(_Part):
    """A rule that is probed while the crowd is at work, each so many seconds."""

    name: str
    every: float = Field(ge=0.1)


class Profile(_Part):
    """A profile; :meth:`read` gives it by its name or from a file.

    `timeout` is for how many seconds people wait for an answer; a poll has as long beyond its own waiting.
    """

    format: Literal["vigie.profile/1"] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    titre: str = ""
    about: str = ""
    seed: int = 1
    timeout: float = Field(default=30.0, gt=0)
    population: Population
    arrivals: Arrivals
    mix: dict[Act, PositiveFloat] = Field(min_length=1)
    files: Distribution = Distribution(shape="lognormal", median=200_000, spread=4, least=1_000, most=20_000_000)
    windows: Windows
    generator: Bounds = Bounds()
    objectives: tuple[Objective, ...] = Field(min_length=1)
    probes: tuple[ProbePlan, ...] = ()

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)
    _base: Path = PrivateAttr(default=Path())
    _factor: float = PrivateAttr(default=1.0)
    _recording: str | None = PrivateAttr(default=None)
    _file: str = PrivateAttr(default="")
    _text: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        ids = [objective.id for objective in self.objectives]
        for each in ids:
            if ids.count(each) > 1:
                raise ValueError(f"two objectives have the id {each!r}")
        if "guest-send" in self.mix and not self.population.guests:
            raise ValueError("the mix has guest-send, the population no guests")
        if any(objective.figure == "violations" for objective in self.objectives) and not self.probes:
            raise ValueError("an objective asks for violations of rules, and no rule is probed")
        return self

    @property
    def base(self) -> Path:
        """The folder to which the profile's paths are relative."""
        return self._base

    @property
    def factor(self) -> float:
        """By how much the arrivals' rates are multiplied."""
        return self._factor

    @property
    def recording(self) -> str | None:
        """The text of what is replayed, where its file is another machine's."""
        return self._recording

    def where(self, *key: str | int) -> str:
        """Name a place of the profile for an error that reading it does not find: file, line and key."""
        line = f"{self._file}:{line_of(self._text, key)}" if self._file else f"profile {self.name}"
        return f"{line}: {'.'.join(map(str, key))}"

    def told(self) -> dict[str, Any]:
        """Give the whole profile as its file has it, and by how much its rates are multiplied."""
        return {**self.model_dump(mode="json", by_alias=True), "factor": self.factor}

    @classmethod
    def handed(cls, told: dict[str, Any], recording: str | None = None) -> Profile:
        """Give back what :meth:`told` gave, on a machine that has none of its files."""
        profile = cls.model_validate({key: value for key, value in told.items() if key != "factor"})
        profile._factor, profile._recording = told["factor"], recording
        return profile

    @classmethod
    def read(cls, name: str | Path) -> Profile:
        """Read a profile by its name, or from a file. Raises `ProfileError`, one line with file, line and key."""
        path = PROFILES / f"{name}.toml"
        if not (str(name) in names() and path.is_file()):
            path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            known = ", ".join(names())
            raise ProfileError(f"{name}: no such profile or file; profiles are {known}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ProfileError(f"{path}: cannot be read: {error}") from None
        profile = cls.parse(text, str(path))
        profile._base = path.parent
        return profile

    @classmethod
    def parse(cls, text: str, where: str) -> Profile:
        """Read a profile's text; `where` names it in errors."""
        try:
            content = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise ProfileError(f"{where}: not TOML: {error}") from None
        try:
            profile = cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = _key(content, first["loc"])
            if first["type"].startswith("union_tag"):
                key = (*key, "shape")
            told = ".".join(map(str, key)) or "(whole file)"
            raise ProfileError(f"{where}:{line_of(text, key)}: {told}: {first['msg']}") from None
        profile._file, profile._text = where, text
        return profile

    def with_changes(
        self,
        *,
        rate: float | None = None,
        people: int | None = None,
        measured: float | None = None,
        warm_up: float | None = None,
        seed: int | None = None,
    ) -> Profile:
        """Give the profile with another peak rate, number of people, length or seed.

        Raises `ProfileError` for what could not stand in its file either.
        """
        changes: dict[str, Any] = {}
        if people is not None:
            changes["population"] = self._within(self.population, people=people)
        if measured is not None or warm_up is not None:
            lengths = {"measured": measured, "warm_up": warm_up}
            changes["windows"] = self._within(
                self.windows, **{key: value for key, value in lengths.items() if value is not None}
            )
        if seed is not None:
            changes["seed"] = seed
        changed = self.model_copy(update=changes)
        changed._base, changed._factor, changed._recording = self._base, self._factor, self._recording
        if rate is not None:
            if isinstance(self.arrivals, Replay):
                raise ProfileError(f"profile {self.name}: a recording is replayed as it is; change its speed, not its rate")
            # Of what is played: a curve that is longer than the windows may have its height behind them.
            highest = peak(cut(changed.arrivals.points(changed.windows.total), 0, changed.windows.total))
            if not highest:
                raise ProfileError(f"profile {self.name}: nothing arrives in its {changed.windows.total:g} s; measure longer")
            if rate > HIGHEST_RATE:
                raise ProfileError(f"profile {self.name}: a rate of {rate:g} is more than {HIGHEST_RATE:,} a second")
            changed._factor = rate / highest
        return changed

    def _within(self, part: _P, **changes: Any) -> _P:
        """Give a part with changes that its bounds allow."""
        try:
            return type(part).model_validate({**part.model_dump(), **changes})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ProfileError(f"profile {self.name}: {first['loc'][0]} = {first['input']:g}: {first['msg']}") from None


def names() -> list[str]:
    """Name the profiles that come with the project."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def _key(content: dict[str, Any], location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Give the place of an error as the file writes it: without the names of alternatives, which pydantic puts between."""
    found: list[str | int] = []
    inside: Any = content
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if part == "[key]":
            continue
        if isinstance(inside, dict) and part in inside:
            inside = inside[cast("str", part)]
        elif isinstance(inside, list) and isinstance(part, int) and part < len(inside):
            inside = inside[part]
        elif not last:
            continue
        found.append(part)
    return tuple(found)
