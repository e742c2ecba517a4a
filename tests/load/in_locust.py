"""Held to Locust itself, in a process that it may change: its clock between master and workers, and whom it moves where."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from locust import runners
from locust.env import Environment
from locust.runners import WorkerNode

from load.agents.user import Agent
from load.sharing.dispatch import open_roster
from load.sharing.steady import keep_locust_steady


def the_date_is_set_and_nothing_comes_of_it() -> None:
    keep_locust_steady()
    steady: Any = vars(runners)["time"]
    first, real = steady.time(), time.time
    assert abs(first - real()) < 60
    time.time = lambda: 0.0
    try:
        assert 0 <= steady.time() - first < 60 and steady.sleep is time.sleep
    finally:
        time.time = real


def users_go_where_their_circle_is_and_stay_there() -> None:
    environment: Any = Environment(user_classes=[Agent])
    environment.runner = SimpleNamespace(register_message=lambda *_more: None)
    allotment = open_roster(environment).allotment
    nodes = [WorkerNode("a"), WorkerNode("b")]
    dispatcher = environment.dispatcher_class(worker_nodes=nodes, user_classes=environment.user_classes)
    # Locust's own start may come before shares are handed out.
    dispatcher.new_dispatch(target_user_count=1, spawn_rate=1)
    assert list(dispatcher) == [{"a": {"Agent": 0}, "b": {"Agent": 0}}]
    allotment.wanted.update({"a": 4, "b": 2})
    dispatcher.new_dispatch(target_user_count=6, spawn_rate=6)
    assert list(dispatcher) == [{"a": {"Agent": 4}, "b": {"Agent": 2}}]
    # Locust's own dispatcher would move the people of a worker that went to one that does not know them.
    dispatcher.remove_worker(nodes[0])
    dispatcher.new_dispatch(target_user_count=6, spawn_rate=1)
    assert list(dispatcher) == [{"a": {"Agent": 4}, "b": {"Agent": 2}}]


if __name__ == "__main__":
    the_date_is_set_and_nothing_comes_of_it()
    users_go_where_their_circle_is_and_stay_there()
    print("held")
