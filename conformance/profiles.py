"""Profiles: which deviations from the guide a run accepts, each with its reason, and how people register.

One TOML file each lies in ``profiles/``. `registration` names one of `conformance.extras.REGISTRATIONS`: a second way, such
as the service's numeric code, is a function there and a name here. `ProfileError` is one line.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from conformance.catalogue import Catalogue, UnknownRule
from conformance.extras import REGISTRATIONS
from reports.verdict import Check, Status, rule_status, with_deviation

__all__ = ["DEFAULT", "Deviation", "Profile", "ProfileError", "names", "read"]

FOLDER = Path(__file__).parent / "profiles"
DEFAULT = "guide"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ProfileError(Exception):
    """There is no such profile, or its file is wrong; the message is one line."""


@dataclass(frozen=True)
class Deviation:
    """A known way in which a rule is broken: by these checks, without the rule's id, all of the rule's where there are none."""

    rule: Text
    reason: Text
    checks: tuple[Text, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def covers(self, check: Check) -> bool:
        """Tell whether a check is one that shows the deviation; named without brackets, all its variants are."""
        name = check.id.partition("/")[2]
        both = (name, name.split("[", maxsplit=1)[0])
        return not self.checks or any(_matches(pattern, each) for pattern in self.checks for each in both)


@dataclass(frozen=True)
class Profile:
    """A profile: its deviations, at most one for each rule."""

    name: Text
    registration: Text = "link"
    deviation: tuple[Deviation, ...] = ()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def judge(self, rule: str, checks: Sequence[Check]) -> tuple[Status, str]:
        """Give a rule's status and, where a deviation decides it, the reason.

        A failure is accepted when all that failed shows the deviation; where nothing that shows it fails any more, the
        deviation is stale, and the rule fails. What was not told stays untold.
        """
        told = rule_status(checks)
        known = next((each for each in self.deviation if each.rule == rule), None)
        if known is None:
            return told, ""
        covered = [check for check in checks if known.covers(check)]
        others = [check for check in checks if not known.covers(check)]
        if told is Status.FAIL and rule_status(others) is Status.FAIL:
            return told, ""
        if rule_status(covered) in (Status.FAIL, Status.PASS):
            status, reason = with_deviation(rule_status(covered), known.reason)
            if status is Status.ACCEPTED and {check.status for check in checks} & {Status.ERROR, Status.UNTESTABLE}:
                # A failure beside something that nobody could tell: accepting it would turn the unknown green.
                return told, f"the accepted deviation occurs, but other checks of the rule could not be told: {reason}"
            return status, reason
        return told, ""


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name) is not None


def names() -> list[str]:
    """Give the names of the profiles."""
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


def read(name: str, catalogue: Catalogue, folder: Path = FOLDER) -> Profile:
    """Read a profile; raises `ProfileError`."""
    file = folder / f"{name}.toml"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not file.is_file():
        raise ProfileError(f"no profile {name!r}; there are {', '.join(names())}")
    try:
        profile = TypeAdapter(Profile).validate_python(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ProfileError(f"{file.name}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise ProfileError(f"{file.name}: {error}") from None
    if profile.name != name:
        raise ProfileError(f"{file.name}: name is {profile.name!r}")
    if profile.registration not in REGISTRATIONS:
        raise ProfileError(f"{file.name}: registration: {profile.registration!r}; there are {', '.join(REGISTRATIONS)}")
    try:
        known = tuple(replace(each, rule=catalogue.rule(each.rule).id) for each in profile.deviation)
    except UnknownRule as error:
        raise ProfileError(f"{file.name}: {error}") from None
    if len({each.rule for each in known}) != len(known):
        raise ProfileError(f"{file.name}: two deviations of one rule")
    return replace(profile, deviation=known)
