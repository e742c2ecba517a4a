"""Schedules: the same from the same seed, at the rates that were asked for, whatever the number of workers."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from load.arrivals import offered_between, peak_rate, replayed, schedule, times
from load.errors import ProfileError, ScheduleError
from load.profile import Profile, names

TEXT = """
schema = "vigie.profile/1"
name = "tried"
title = "tried"
population = { people = 10 }
mix = { send = 3, receipt = 1 }
windows = { warm_up = 0, measured = 1000, cool_down = 0 }
objectives = [{ id = "a", figure = "lost", at_most = 0 }]
"""


def profile(arrivals: str, base: Path = Path()) -> Profile:
    found = Profile.parse(TEXT + f"arrivals = {arrivals}\n", "tried.toml")
    found._base = base
    return found


def test_poisson_arrivals_come_at_their_rate_and_as_irregularly_as_people_do() -> None:
    found = [arrival.at for arrival in schedule(profile('{ shape = "constant", rate = 20 }'))]
    assert len(found) == pytest.approx(20_000, rel=0.03)
    gaps = [b - a for a, b in pairwise(found)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert variance == pytest.approx(mean**2, rel=0.05), "the gaps of a Poisson process vary as much as their mean"


def test_even_arrivals_come_like_clockwork() -> None:
    found = [arrival.at for arrival in schedule(profile('{ shape = "constant", rate = 4, process = "even" }'))]
    assert len(found) == 4000
    assert found[:3] == pytest.approx([0.125, 0.375, 0.625])


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    base = profile('{ shape = "constant", rate = 2 }')
    assert list(schedule(base)) == list(schedule(base))
    assert list(schedule(base)) != list(schedule(base.with_changes(seed=2)))


def test_another_mix_does_not_move_the_arrivals() -> None:
    base = profile('{ shape = "constant", rate = 2 }')
    other = base.model_copy(update={"mix": {"send": 1.0}})
    assert [a.at for a in schedule(base)] == [a.at for a in schedule(other)]


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_the_shares_of_all_workers_are_together_the_same_arrivals(shards: int) -> None:
    base = profile('{ shape = "constant", rate = 5 }')
    parts = [list(schedule(base, shard, shards)) for shard in range(shards)]
    assert sorted((a for part in parts for a in part), key=lambda a: a.number) == list(schedule(base))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_acts_are_drawn_by_their_weights() -> None:
    acts = [arrival.act for arrival in schedule(profile('{ shape = "constant", rate = 20 }'))]
    assert acts.count("send") / len(acts) == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    ("arrivals", "peak", "parts"),
    [
        ('{ shape = "steps", rates = [1, 5, 10], hold = 300 }', 10, [(0, 300, 300), (300, 600, 1500), (600, 1000, 4000)]),
        ('{ shape = "ramp", from = 1, to = 11 }', 11, [(0, 500, 1750), (500, 1000, 4250)]),
        (
            '{ shape = "ramp", from = 2, to = 10, begin = 100, seconds = 100 }',
            10,
            [(0, 100, 200), (100, 200, 600), (200, 1000, 8000)],
        ),
        (
            '{ shape = "spike", base = 2, peak = 20, begin = 400, rise = 10, hold = 80, fall = 10 }',
            20,
            [(0, 400, 800), (400, 500, 1820), (500, 1000, 1000)],
        ),
    ],
)
def test_a_shape_offers_what_its_area_says(arrivals: str, peak: float, parts: list[tuple[float, float, float]]) -> None:
    base = profile(arrivals)
    assert peak_rate(base) == peak
    found = [arrival.at for arrival in schedule(base)]
    assert found == sorted(found)
    for begin, end, number in parts:
        assert offered_between(base, begin, end) == pytest.approx(number)
        assert sum(begin <= at < end for at in found) == pytest.approx(number, abs=4 * number**0.5)


def test_a_working_day_has_its_peak_at_half_past_nine_and_a_quiet_lunch() -> None:
    base = profile('{ shape = "day", rate = 50, begin_hour = 7, end_hour = 20 }')
    hour = 1000 / 13

    def around(clock: float) -> float:
        return offered_between(base, (clock - 7 - 0.25) * hour, (clock - 7 + 0.25) * hour) / (hour / 2)

    assert peak_rate(base) == pytest.approx(50)
    assert around(9.5) == pytest.approx(48, rel=0.05)
    assert around(12.5) < 0.6 * around(9.5)
    assert around(15.5) > 1.5 * around(12.5)


def test_a_rate_that_is_asked_for_is_that_of_what_is_played() -> None:
    """Thirty seconds of a Monday morning that takes an hour to its height: ten a second are ten in these thirty seconds."""
    morning = Profile.read("monday-nine")
    assert peak_rate(morning.with_changes(rate=10, measured=30)) == pytest.approx(10)
    assert peak_rate(morning.with_changes(rate=10)) == pytest.approx(10)


def test_a_profile_at_another_rate_keeps_its_shape() -> None:
    base = profile('{ shape = "spike", base = 2, peak = 20, begin = 400, hold = 100 }').with_changes(rate=40)
    assert peak_rate(base) == pytest.approx(40)
    assert offered_between(base, 0, 400) == pytest.approx(1600)


def test_a_recording_is_played_back_faster_and_with_its_own_acts(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("at,act\n0.5,send\n1,\n4,search\n")
    found = list(schedule(profile('{ shape = "replay", file = "day.csv", speed = 2 }', tmp_path)))
    assert [arrival.at for arrival in found] == [0.25, 0.5, 2]
    assert found[0].act == "send"
    assert found[1].act in {"send", "receipt"}
    assert found[2].act == "search"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("second\n1\n", "day.csv:1: no column 'at'"),
        ("at\n1\nsoon\n", "day.csv:3: at: 'soon' is no number"),
        ("at\n2\n1\n", "day.csv:3: at: 1 comes after 2"),
        ("at,act\n2,dance\n", "day.csv:2: act: no act 'dance'"),
        ("at\nnan\n", "day.csv:2: at: nan"),
    ],
)
def test_a_recording_with_a_mistake_is_refused_with_its_line(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "day.csv").write_text(content)
    with pytest.raises(ScheduleError, match=told):
        list(schedule(profile('{ shape = "replay", file = "day.csv" }', tmp_path)))


def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScheduleError, match="cannot be read"):
        list(schedule(profile('{ shape = "replay", file = "none.csv" }', tmp_path)))


def test_no_arrival_where_the_rate_is_nothing() -> None:
    found = list(times([(0, 0), (10, 0), (10, 5), (20, 5)], Random(1)))
    assert found
    assert min(found) >= 10


@pytest.mark.parametrize("name", names())
def test_every_profile_that_comes_with_the_project_can_be_played(name: str) -> None:
    found = Profile.read(name)
    assert found.name == name
    assert found.titre
    assert peak_rate(found) > 0


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("people = 10", "people = -10", "tried.toml:5: population.people: Input should be greater"),
        ("people = 10", "people = 1", "tried.toml:5: population.people: Input should be greater"),
        ("send = 3", "sendd = 3", "tried.toml:6: mix.sendd: "),
        ("lost", "lots", "tried.toml:8: objectives.0.figure: "),
        ('name = "tried"', "", "tried.toml:1: name: Field required"),
        ("mix =", "mixed =", "tried.toml:1: mix: Field required"),
        ("at_most = 0", "at_most = 0, at_least = 1", "tried.toml:8: objectives.0: "),
        ("people = 10", "people = 10 10", r"tried.toml: not TOML: .*line 5"),
        # What has no end cannot be played, drawn or told in a report.
        ("measured = 1000", "measured = inf", "tried.toml:7: windows.measured: Input should be"),
        ("measured = 1000", "measured = 1e300", "tried.toml:7: windows.measured: Input should be less"),
        ("warm_up = 0", "warm_up = nan", "tried.toml:7: windows.warm_up: Input should be"),
        ("send = 3", "send = inf", "tried.toml:6: mix.send: Input should be a finite number"),
        ("mix =", "generator = { loop_lag_ms = inf }\nmix =", "tried.toml:6: generator.loop_lag_ms: .* finite number"),
        ("mix =", "files = { shape = 'pareto', tail = 1e-300 }\nmix =", "tried.toml:6: files.tail: .* greater"),
        ("mix =", "probes = [{ name = 'a', every = 1e-300 }]\nmix =", "tried.toml:6: probes.0.every: .* greater"),
        ("people = 10", "people = 10, rooms = { direct = 1000000000 }", "population.rooms.direct: Input should be less"),
        ('shape = "constant"', 'shape = "flat"', "tried.toml:9: arrivals.shape: Input tag 'flat'"),
        ('shape = "constant", ', "", "tried.toml:9: arrivals.shape: Unable to extract tag"),
        ("people = 10", f"people = {'9' * 5000}", "tried.toml: not TOML: Exceeds the limit"),
        ("people = 10", f"people = {'[' * 5000}{']' * 5000}", "tried.toml: not TOML: .*recursion"),
    ],
    ids=lambda value: value[:40],
)
def test_a_profile_with_a_mistake_is_refused_with_line_and_key(wrong: str, right: str, told: str) -> None:
    text = TEXT + 'arrivals = { shape = "constant", rate = 1 }\n'
    with pytest.raises(ProfileError, match=told) as caught:
        Profile.parse(text.replace(wrong, right), "tried.toml")
    assert "\n" not in str(caught.value)


def test_an_unknown_profile_is_told_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"no such profile or file; profiles are .*smoke"):
        Profile.read("smok")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"people": 2_000_000}, "profile tried: people = 2e.06: Input should be less than or equal to 1000000"),
        ({"measured": 1e300}, "profile tried: measured = 1e.300: Input should be less"),
        ({"rate": 1e6}, "profile tried: a rate of 1e.06 is more than 100,000 a second"),
    ],
)
def test_what_no_profile_may_ask_for_no_option_may_either(change: dict[str, float], told: str) -> None:
    """The process would draw people, or arrivals, until it has no memory left."""
    with pytest.raises(ProfileError, match=told):
        profile('{ shape = "constant", rate = 1 }').with_changes(**change)  # type: ignore[arg-type]


def test_a_recording_that_a_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    """With a byte order mark before its first column, here and where its text is handed to a worker."""
    (tmp_path / "day.csv").write_text("at,act\r\n1,send\r\n2,receipt\r\n", encoding="utf-8-sig", newline="")
    found = profile('{ shape = "replay", file = "day.csv" }', tmp_path)
    assert [(each.at, each.act) for each in schedule(found)] == [(1.0, "send"), (2.0, "receipt")]
    assert (replayed(found) or "").startswith("at,act")
