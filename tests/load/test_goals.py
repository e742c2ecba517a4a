"""What a profile asks for: what would do nothing is refused, and what has no answer is not met."""

import pytest

from load.errors import ProfileError
from load.goals import Objective
from load.measuring.measures import Measures
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
        ('figure = "dropped"\nact = "send"\nat_most = 0', 12, "act", "`act` is for a latency and for errors, not for dropped"),
        ('figure = "errors"\nstage = "intended-seen"\nat_most = 0', 12, "stage", "`stage` is for a latency"),
        ('figure = "errors"\nseries = "cpu"\nat_most = 0', 12, "series", "`series` is for slope and server, not for errors"),
        ('figure = "errors"\npercentile = 50\nat_most = 0', 12, "percentile", "`percentile` is for a latency, not for errors"),
        (
            'figure = "slope"\nseries = "cpu"\nstatistic = "mean"\nat_most = 0',
            13,
            "statistic",
            "`statistic` is for server, not for slope",
        ),
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


def test_files_that_nobody_got_are_judged_though_no_arrival_went_wrong() -> None:
    """Reading a message brings the fetch about: three of four go wrong, one by a 429; the acts of the schedule go well."""
    fetched = Objective(id="fetched", figure="errors", act="fetch", at_most=0.001)
    measures = Measures(Windows(measured=10), 0.0)
    assert judge([fetched], measures, {})[0].detail == "no fetch was seen"
    for name in ("send", "fetch"):
        measures.dispatched(name, 12.0, 12.0)
        measures.done(name, 12.0, 12.0, 12.5)
    for kind in ("5xx", "timeout", "429"):
        measures.failed("fetch", 12.0, 12.0, 13.0, kind)
    (of_all, of_fetches) = judge([Objective(id="errors", figure="errors", at_most=0.001), fetched], measures, {})
    assert (of_all.value, of_all.met) == (0, True)
    assert (of_fetches.value, of_fetches.met, of_fetches.detail) == (0.75, False, "3 of 4")


@pytest.mark.parametrize(("until", "rate", "seconds"), [(None, 2.0, 10), (15.0, 4.0, 5), (9.0, None, 0)])
def test_rates_of_a_run_that_was_cut_short_are_of_the_seconds_it_had(
    until: float | None, rate: float | None, seconds: float
) -> None:
    """Twenty messages in the measured window, which begins at second 10 and was to last ten seconds."""
    measures = Measures(Windows(measured=10), 100.0)
    for _ in range(20):
        measures.tally.count("sends", 1, 112.0)
    if until is not None:
        measures.cut_short(100.0 + until)
    found = judge([Objective(id="rate", figure="sends-per-second", at_least=1)], measures, {})[0]
    assert (found.value, measures.length("measured")) == (rate, seconds)
    assert (measures.length("warm-up"), measures.length("cool-down")) == (min(10.0, until or 10.0), 0 if until else 5)


def test_a_profile_that_is_handed_on_with_all_its_defaults_is_the_same() -> None:
    """A worker on another machine gets every key written out, also those that its objective has no use for."""
    profile = Profile.read("smoke")
    assert Profile.handed(profile.told()).objectives == profile.objectives
