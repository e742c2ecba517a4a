"""Which requests only read: all that goes to a deployment which allows nothing more.

The list errs on the side of refusing: a request that is not known to read is one that acts.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from scenarios.wire import Request

__all__ = ["only_reads"]

# Searches and queries that the specification has as POST since they carry a body.
_READING_POSTS = re.compile(
    r"/_matrix/(?:client/[^/]+/(?:user_directory/search|publicRooms|search|keys/query)"
    r"|identity/v2/lookup)/?"
)
# Links that act when they are opened, and what makes the server itself call somewhere.
_ACTING_GETS = re.compile(
    r"submit_?token|/validate/|unsubscribe|/renew|preview_url|/login/(?:sso|cas)|/oauth2?/|/account_validity/", re.IGNORECASE
)


def only_reads(request: Request) -> bool:
    """Tell whether a request changes nothing at the server."""
    path = unquote(urlsplit(request.url).path)
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return _ACTING_GETS.search(path) is None
    return request.method == "POST" and _READING_POSTS.fullmatch(path) is not None
