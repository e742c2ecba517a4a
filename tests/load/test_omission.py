"""What people wait for during a stall is in the figures, as the arithmetic says; what a closed loop would say is not."""

import pytest

from load.measuring.histogram import Histogram
from tests.load.simulated import Server, play, profile

STALL, MINUTE, SERVICE = 5.0, 60.0, 0.02


@pytest.mark.parametrize("process", ["even", "poisson"])
def test_a_stall_of_five_seconds_in_a_minute_is_in_the_99th_percentile(process: str) -> None:
    """Whoever meant to send t seconds before the stall's end waited t: the share (5 - x) / 60 waited longer than x."""
    played = profile()
    played = played.model_copy(update={"arrivals": played.arrivals.model_copy(update={"process": process})})
    measures = play(played, Server(lambda _: SERVICE, stalls=((30.0, STALL),)))
    found = measures.tally.stage("intended-acknowledged", "measured")
    for percent in (99, 97, 95):
        due = STALL - (1 - percent / 100) * MINUTE + SERVICE
        assert found.percentile(percent) == pytest.approx(due, abs=0.15 if process == "poisson" else 0.03), percent
    assert found.percentile(50) == pytest.approx(SERVICE, abs=0.01)
    assert found.maximum() == pytest.approx(STALL + SERVICE, abs=0.1)


def test_a_closed_loop_would_have_hidden_it() -> None:
    """The control: somebody who waits for each answer before meaning the next sees the stall once in thousands."""
    server, at, found = Server(lambda _: SERVICE, stalls=((30.0, STALL),)), 10.0, Histogram()
    while at < 70:
        answered = server.answer(at)
        found.record(answered - at)
        at = answered
    assert found.percentile(99) == pytest.approx(SERVICE, abs=0.001)


def test_with_too_few_agents_the_stall_is_told_as_dropped_arrivals_and_never_as_silence() -> None:
    measures = play(profile(), Server(lambda _: SERVICE, stalls=((30.0, STALL),)), agents=20)
    tally = measures.tally
    assert tally.total("dropped", "measured") == pytest.approx(STALL * 50 - 20, rel=0.25)
    assert tally.total("dropped") + tally.total("done") == tally.total("offered")
