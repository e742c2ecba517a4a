"""The Locust messages between master and workers beside Locust's own, by name; each carries what msgpack takes.

A worker says it is here until it is handed a share, says when it stands, and asks for the time or has records kept. The
master hands shares out, says when second 0 is, and may have a run cut short. Measures travel in Locust's worker reports.
"""

from __future__ import annotations

__all__ = ["ASK", "BEGIN", "CUT", "FAILED", "HERE", "PROTOCOL", "REFUSED", "REPORT", "SHARE", "STANDS", "TOLD"]

PROTOCOL = 1

# From a worker.
HERE, STANDS, FAILED, ASK = "vigie_here", "vigie_stands", "vigie_failed", "vigie_ask"
# From the master.
SHARE, BEGIN, CUT, REFUSED, TOLD = "vigie_share", "vigie_begin", "vigie_cut", "vigie_refused", "vigie_told"

REPORT = "vigie"
"""The key in a worker's report."""
