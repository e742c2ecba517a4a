"""What stands where a secret stood: `<redacted:kind>`, so that a reader knows what was there and nothing of it."""

from __future__ import annotations

import re

__all__ = ["KINDS", "PLACEHOLDER", "placeholder"]

KINDS = ("cookie", "key", "mac", "password", "secret", "session", "signature", "token", "too-deep")
PLACEHOLDER = re.compile(rf"<redacted:(?:{'|'.join(KINDS)})>")


def placeholder(kind: str) -> str:
    """Give the placeholder for a kind of secret. Raises ValueError for a kind that is not in `KINDS`."""
    if kind not in KINDS:
        raise ValueError(f"no such kind of secret: {kind}; one of {', '.join(KINDS)}")
    return f"<redacted:{kind}>"
