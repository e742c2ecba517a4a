"""Prometheus' text of a Synapse, and the figures an operator looks at: rates and percentiles of the time between two looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["Look", "figures", "look"]

_SEND = "synapse_http_server_response_time_seconds"
_TICK = "python_twisted_reactor_tick_time"
_PERSISTED = "synapse_storage_events_persisted_events_total"
_RESPONSES = "synapse_http_server_responses_total"
_REJECTED = "synapse_rate_limit_reject_total"
_LAG = "synapse_event_processing_lag"
_USERS, _LISTENERS = "synapse_notifier_users", "synapse_notifier_listeners"
_CPU, _MEMORY, _FILES = "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"

_WANTED = (
    _SEND + "_bucket",
    _TICK + "_bucket",
    _PERSISTED,
    _RESPONSES,
    _REJECTED,
    _LAG,
    _USERS,
    _LISTENERS,
    _CPU,
    _MEMORY,
    _FILES,
)

Buckets = Mapping[float, float]


@dataclass(frozen=True)
class Look:
    """What a homeserver's figures stood at; counters and buckets since its start, gauges now."""

    at: float
    sums: Mapping[str, float]
    send: Buckets
    tick: Buckets


def look(text: str, at: float) -> Look:
    """Read the text. Raises ValueError when it is not Prometheus' text."""
    lines = [line for line in text.splitlines() if line.startswith(_WANTED)]
    sums: dict[str, float] = {}
    send: dict[float, float] = {}
    tick: dict[float, float] = {}
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            name, labels = sample.name, sample.labels
            if name == _TICK + "_bucket":
                _pour(tick, labels["le"], sample.value)
            elif name == _SEND + "_bucket":
                if labels.get("servlet") == "RoomSendEventRestServlet":
                    _pour(send, labels["le"], sample.value)
            elif name == _LAG:
                sums[name] = max(sums.get(name, 0.0), sample.value)
            else:
                sums[name] = sums.get(name, 0.0) + sample.value
                if name == _RESPONSES and labels.get("code", "").startswith("5"):
                    sums["5xx"] = sums.get("5xx", 0.0) + sample.value
    return Look(at, sums, send, tick)


def _pour(buckets: dict[float, float], bound: str, number: float) -> None:
    buckets[float(bound)] = buckets.get(float(bound), 0.0) + number


def figures(before: Look, after: Look) -> dict[str, float]:
    """Give the figures of the time between two looks; what cannot be told is not there."""
    seconds = after.at - before.at
    found: dict[str, float] = {}
    if seconds <= 0:
        return found
    for name, counter, factor in (
        ("events-persisted-per-second", _PERSISTED, 1.0),
        ("responses-per-second", _RESPONSES, 1.0),
        ("5xx-per-second", "5xx", 1.0),
        ("rate-limit-rejects-per-second", _REJECTED, 1.0),
        ("processor", _CPU, 1.0),
    ):
        if counter in after.sums or counter == "5xx":
            grown = after.sums.get(counter, 0.0) - before.sums.get(counter, 0.0)
            # A counter that fell is a homeserver that started again.
            if grown >= 0:
                found[name] = grown / seconds * factor
    for name, gauge, factor in (
        ("processing-lag-ms", _LAG, 1.0),
        ("syncing-users", _USERS, 1.0),
        ("listeners", _LISTENERS, 1.0),
        ("memory-mib", _MEMORY, 1 / 2**20),
        ("descriptors", _FILES, 1.0),
    ):
        if gauge in after.sums:
            found[name] = after.sums[gauge] * factor
    for name, old, new in (("send-p99-ms", before.send, after.send), ("reactor-tick-p99-ms", before.tick, after.tick)):
        value = _percentile(old, new, 0.99)
        if value is not None:
            found[name] = value * 1000
    return found


def _percentile(before: Buckets, after: Buckets, share: float) -> float | None:
    """Give a percentile of what was added between two looks, straight between the bounds of its bucket."""
    bounds = sorted(after)
    added = [after[bound] - before.get(bound, 0.0) for bound in bounds]
    if not added or added[-1] <= 0 or any(number < 0 for number in added):
        return None
    due, low, below = added[-1] * share, 0.0, 0.0
    for bound, number in zip(bounds, added, strict=True):
        if number >= due:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (due - below) / (number - below)
        low, below = bound, number
    return None
