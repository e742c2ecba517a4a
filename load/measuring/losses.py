"""What became of the workers of a run: a share that nobody handed in is told as lost, and not as silence."""

from __future__ import annotations

from load.arrivals import schedule
from load.measuring.measures import Measures
from load.profile import Profile
from load.report import Worker
from load.sharing.roster import Place, Roster
from load.windows import Window

__all__ = ["enter_losses", "workers_told"]

LOST = "lost-with-a-worker"


def enter_losses(roster: Roster, profile: Profile, measures: Measures, elapsed: float, *, cut: bool) -> None:
    """Find out, at the end, who was lost; count the arrivals of their shares up to then that nobody heard of, by window."""
    for place in roster.places.values():
        place.lost = roster.is_lost(place, cut=cut)
        if not place.lost:
            continue
        for window, number in _due(profile, place, len(roster.places), elapsed).items():
            missing = max(0, number - place.offered.get(window, 0))
            place.missing += missing
            key = (window, LOST)
            measures.tally.counts[key] = measures.tally.counts.get(key, 0) + missing


def _due(profile: Profile, place: Place, workers: int, elapsed: float) -> dict[Window, int]:
    due: dict[Window, int] = {}
    for arrival in schedule(profile, int(place.name), workers):
        if arrival.at > elapsed:
            break
        window = profile.windows.at(arrival.at)
        due[window] = due.get(window, 0) + 1
    return due


def workers_told(roster: Roster, profile: Profile, measures: Measures) -> list[Worker]:
    """Tell of each worker for the report."""
    begin = measures.tally.start + profile.windows.warm_up
    return [
        Worker(
            name=place.name,
            state="lost" if place.lost else "finished",
            host=place.host,
            processor=measures.health.share_of(place.name, begin, begin + profile.windows.measured),
            people=place.people,
            offered=sum(place.offered.values()),
            missing=place.missing,
            clock_bound_ms=None if place.clock_bound is None else round(place.clock_bound * 1000, 3),
        )
        for place in roster.places.values()
    ]
