"""What a profile asks for: what would do nothing is refused, and what has no answer is not met."""

import pytest

from load.errors import ProfileError
from load.goals import Objective
from load.measures import Measures
from load.objectives import Judged, judge
from load.profile import ACTS, Profile
from load.windows import Windows

TEXT = """
schema = "vigie.profile/1"
name = "tried"
title = "tried"
population = { people = 10 }
mix = { send = 1 }
arrivals = { shape = "constant", rate = 1 }
windows = { measured = 10 }
[[objectives]]
id = "a"
%s
"""


@pytest.mark.parametrize(
    ("asked", "line", "key", "told"),
    [
        (
            'figure = "lost"\nof = "canaries"\nat_most = 0',
            12,
            "of",
            "`of` is for undecryptable and undecryptable-share, not for lost",
        ),
        ('figure = "lost"\nby = "room-size"\nat_most = 0', 12, "by", "`by` is for the latency of a stage"),
        ('figure = "latency"\nact = "send"\nby = "kind"\nat_most = 9', 13, "by", "`by` is for the latency of a stage"),
        ('figure = "latency"\nact = "sned"\nat_most = 9', 12, "act", "no act 'sned'; acts are send, .*, fetch, first-sync"),
        ('figure = "errors"\nact = "send"\nat_most = 0', 12, "act", "`act` is for a latency"),
        ('figure = "errors"\nstage = "intended-seen"\nat_most = 0', 12, "stage", "`stage` is for a latency"),
        ('figure = "lost"\nat_most = nan', 12, "at_most", "Input should be a finite number"),
        ('figure = "lost"\nat_most = inf', 12, "at_most", "Input should be a finite number"),
        ('figure = "achieved"\nat_least = -inf', 12, "at_least", "Input should be a finite number"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused_with_line_and_key(asked: str, line: int, key: str, told: str) -> None:
    with pytest.raises(ProfileError, match=rf"^tried\.toml:{line}: objectives\.0\.{key}: .*{told}") as caught:
        Profile.parse(TEXT % asked, "tried.toml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("act", [*ACTS, "fetch", "first-sync"])
def test_every_act_can_be_asked_for_and_what_acts_bring_about_too(act: str) -> None:
    found = Profile.parse(TEXT % f'figure = "latency"\nact = "{act}"\nat_most = 9', "tried.toml")
    assert found.objectives[0].act == act


RULES = Objective(id="rules-hold", figure="violations", at_most=0)


def judged(*results: tuple[str, str], planned: tuple[str, ...] = ()) -> Judged:
    measures = Measures(Windows(measured=10), 0.0)
    for name, result in results:
        measures.probe(name, 12.0, result)  # type: ignore[arg-type]
    return judge([RULES], measures, {}, planned)[0]


def test_a_probe_that_never_came_to_an_answer_is_no_rule_that_holds() -> None:
    """A room created for a guest was always refused by the network alone: what the other probe found says nothing of that."""
    other = [("stranger-reads-nothing", "held")] * 10
    found = judged(*other, *[("guest-creates-no-room", "broken")] * 10)
    assert (found.value, found.met) == (None, False)
    assert found.detail == "no answer to the probe guest-creates-no-room"
    assert judged(*other, ("guest-creates-no-room", "broken"), ("guest-creates-no-room", "held")).met
    never = judged(*other, planned=("stranger-reads-nothing", "guest-creates-no-room"))
    assert (never.value, never.detail) == (None, "no answer to the probe guest-creates-no-room"), "it never ran"


def test_a_rule_that_was_broken_is_told_whatever_else_has_no_answer() -> None:
    found = judged(("stranger-reads-nothing", "violated"), ("guest-creates-no-room", "broken"))
    assert not found.met
    assert found.detail == "no answer to the probe guest-creates-no-room; violations: 1 of 1 probes"
    assert judged(("stranger-reads-nothing", "violated"), ("stranger-reads-nothing", "held")).value == 1


def test_a_profile_that_is_handed_on_with_all_its_defaults_is_the_same() -> None:
    """A worker on another machine gets every key written out, also those that its objective has no use for."""
    profile = Profile.read("smoke")
    assert Profile.handed(profile.told()).objectives == profile.objectives
