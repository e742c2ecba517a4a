"""Servers that are behind are waited for before the next rate, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, repeat

from load.rest import rest


class Servers:
    """Servers that use this much of a processor, look after look."""

    def __init__(self, looks: Iterator[Mapping[str, float]]) -> None:
        self.looks, self.seconds, self.said = looks, 0, list[str]()

    def ended(self, _seconds: float) -> bool:
        self.seconds += 1
        return False

    def rest(self) -> bool:
        return rest(lambda: next(self.looks), self.ended, self.said.append)


def of_processes(*cores: float) -> Iterator[Mapping[str, float]]:
    # The homeservers' own figures are beside those of their processes.
    return ({"components:processor": each, "synapse:one:processor": 9.0} for each in chain(cores, repeat(cores[-1])))


def test_three_quiet_looks_in_a_row_are_rest() -> None:
    servers = Servers(of_processes(0.0, 1.7, 0.1, 0.1, 1.2, 0.2, 0.1, 0.0, 5.0))
    assert servers.rest() and servers.seconds == 7 and not servers.said


def test_servers_that_never_rest_are_told_and_not_waited_for_any_longer() -> None:
    servers = Servers(of_processes(1.0))
    assert not servers.rest() and servers.seconds == 180
    assert servers.said[0] == "waiting for the servers to rest: 1 of a core used, 165 s left"
    assert "do not rest" in servers.said[-1]


def test_where_there_are_no_processes_the_homeservers_own_figures_are_taken() -> None:
    figures = ({"synapse:one:processor": each, "synapse:two:processor": each} for each in (0.0, 0.2, 0.1, 0.1, 0.1))
    servers = Servers(iter(figures))
    assert servers.rest() and servers.seconds == 4


def test_where_nothing_is_known_there_is_no_waiting() -> None:
    servers = Servers(repeat({"synapse:one:events-persisted-per-second": 3.0}))
    assert servers.rest() and servers.seconds == 1


def test_who_ends_the_search_ends_the_waiting() -> None:
    servers = Servers(of_processes(1.0))
    assert not rest(lambda: next(servers.looks), lambda _: True, servers.said.append) and not servers.said
