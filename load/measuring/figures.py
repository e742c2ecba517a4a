"""Every request's time, summed up in the process and handed to Locust once a second: its own event costs 10 µs a request."""

from __future__ import annotations

import time
from typing import Any

from scenarios.wire import Request

__all__ = ["Figures", "name_of"]

# Rooms, people, transactions: what stands behind these words in a path is somebody's, and no name for a statistic.
_BEFORE_IDS = frozenset({"rooms", "join", "user", "profile", "send", "sendToDevice", "receipt", "typing", "download", "scan"})
_NOISE = ("", "_matrix", "client", "v3", "r0", "v1")


def name_of(url: str) -> str:
    """Name a request for statistics: its path without what is somebody's."""
    path = url.split("?", 1)[0].split("/", 3)[-1]
    parts = [part for part in path.split("/") if part not in _NOISE]
    told: list[str] = []
    for number, part in enumerate(parts):
        before = parts[number - 1] if number else ""
        hidden = before in _BEFORE_IDS and not part.startswith("m.") and part != "user_directory"
        told.append("·" if hidden or "%" in part or "vigie-" in part or len(part) > 24 else part)
    return "/".join(told)


class _Sum:
    """One name's requests since the last time they were handed on."""

    __slots__ = ("buckets", "failed", "length", "number")

    def __init__(self) -> None:
        self.number = self.length = self.failed = 0
        self.buckets: dict[int, int] = {}


class Figures:
    """Takes every exchange, and hands the sums to Locust."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: dict[tuple[str, str], _Sum] = {}
        self._names: dict[str, str] = {}
        self.requests = 0

    def exchange(self, request: Request, status: int, seconds: float, length: int) -> None:
        """Take one exchange."""
        url = request.url
        # A path begins the same for a whole room; what is remembered is bounded.
        stem = url[: url.find("/vigie-")] if "/vigie-" in url else url.split("?", 1)[0]
        name = self._names.get(stem)
        if name is None:
            if len(self._names) > 20_000:
                self._names.clear()
            name = self._names[stem] = name_of(url)
        if name == "sync":
            # How long a poll waits says nothing, and would drown what the others say.
            return
        self.requests += 1
        key = (request.method, name)
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = _Sum()
        found.number += 1
        found.length += length
        if not 200 <= status < 300:
            found.failed += 1
        bucket = _rounded(seconds * 1000)
        found.buckets[bucket] = found.buckets.get(bucket, 0) + 1

    def hand_on(self, stats: Any) -> None:
        """Add what came since the last time to Locust's statistics, as its own bookkeeping would have (its `stats.py`)."""
        sums, self._sums = self._sums, {}
        now = time.time()
        for (method, name), found in sums.items():
            for entry in (stats.get(name, method), stats.total):
                _add(entry, found, now)


def _rounded(milliseconds: float) -> int:
    """Round as Locust does: two digits are kept."""
    whole = int(milliseconds)
    for limit, step in ((100, 1), (1000, 10), (10_000, 100)):
        if whole < limit:
            return whole // step * step
    return whole // 1000 * 1000


def _add(entry: Any, found: _Sum, now: float) -> None:
    second = int(now)
    if entry.use_response_times_cache and entry.last_request_timestamp and second > int(entry.last_request_timestamp):
        entry._cache_response_times(second - 1)
    entry.num_requests += found.number
    entry.num_failures += found.failed
    entry.total_content_length += found.length
    entry.num_reqs_per_sec[second] += found.number
    if found.failed:
        entry.num_fail_per_sec[second] += found.failed
    entry.last_request_timestamp = now
    for bucket, number in found.buckets.items():
        entry.response_times[bucket] += number
        entry.total_response_time += bucket * number
    shortest, longest = min(found.buckets), max(found.buckets)
    entry.min_response_time = shortest if entry.min_response_time is None else min(entry.min_response_time, shortest)
    entry.max_response_time = max(entry.max_response_time, longest)
