"""Every address under which a homeserver, or what stands in front of it, might hand out a file.

Beside the endpoints of the specification, old and new, these are spellings that a front and the server behind it may read
differently: the front decodes a path and takes dot segments away before it judges, the server matches it as it came.
"""

from __future__ import annotations

from scenarios.session import path

__all__ = ["FEDERATION", "SCANNER", "direct_ways", "disguised_ways"]

_OLD = tuple(f"/_matrix/media/{version}" for version in ("r0", "v1", "v3"))
_NEW = ("/_matrix/client/v1/media", "/_matrix/client/unstable/org.matrix.msc3916/media")
FEDERATION = ("/_matrix/federation/v1/media", "/_matrix/federation/unstable/org.matrix.msc3916.v2/media")
SCANNER = "/_matrix/media_proxy/unstable"
_THUMBNAIL = "?width=32&height=32&method=scale"


def _of(uri: str) -> tuple[str, str]:
    server, media_id = uri.removeprefix("mxc://").split("/")
    return server, media_id


def direct_ways(uri: str) -> list[str]:
    """Give the paths at which the specification, in any version, delivers a file or its thumbnail without a scanner."""
    server, media_id = _of(uri)
    found = []
    for prefix in (*_OLD, *_NEW):
        found += [
            f"{prefix}/download/{server}/{media_id}",
            f"{prefix}/download/{server}/{media_id}/image.png",
            f"{prefix}/download/{server}/{media_id}?allow_remote=true&allow_redirect=true",
            f"{prefix}/thumbnail/{server}/{media_id}{_THUMBNAIL}",
        ]
    for prefix in FEDERATION:
        found += [f"{prefix}/download/{media_id}", f"{prefix}/thumbnail/{media_id}{_THUMBNAIL}"]
    return found


def disguised_ways(uri: str) -> list[str]:
    """Give spellings of the same paths that one reader may take for another path."""
    server, media_id = _of(uri)
    file = f"{server}/{media_id}"
    quoted = path(server, media_id)[1:]
    found = []
    for prefix in ("/_matrix/media/v3", "/_matrix/client/v1/media"):
        stem = prefix.removeprefix("/_matrix/")
        found += [
            # The file's name, which the server ignores, leads the front elsewhere.
            *(f"{prefix}/download/{file}/{'%2F..' * steps}%2Fx" for steps in (4, 5, 6, 7)),
            *(f"{prefix}/download/{file}/{'%2e%2e%2f' * steps}x" for steps in (4, 5, 6, 7)),
            f"{prefix}/download/{file}/{'%2F..' * 6}%2F_matrix%2Fmedia_proxy%2Funstable%2Fpublic_key",
            f"{prefix}/thumbnail/{file}%2F..%2F..%2F..%2F..%2Fx{_THUMBNAIL}",
            f"{prefix}/download/{quoted}",
            f"{prefix}/%64ownload/{file}",
            f"{prefix}//download/{file}",
            f"{prefix}/download/{file}/",
            f"{prefix}/download/{file};x",
            f"{prefix}/Download/{file}",
            f"/_matrix/{stem.replace('media', '%6dedia')}/download/{file}",
            f"/_matrix/x/%2e%2e/{stem}/download/{file}",
            f"{SCANNER}/%2e%2e/%2e%2e/{stem}/download/{file}",
            f"{SCANNER}/..%2F..%2F{stem}/download/{file}",
            f"/_synapse/client/..%2F..%2F_matrix/{stem}/download/{file}",
        ]
    # The scanner's own addresses, with what it does not know: what stands before it may look no further than their beginning.
    found += [
        f"{SCANNER}/download/{file}/image.png",
        f"{SCANNER}/download/{file}%2Fimage.png",
        f"{SCANNER}/download/{file}/",
        f"{SCANNER}/download/{file}?allow_remote=true&allow_redirect=true",
        f"{SCANNER}/download/{quoted}",
        f"{SCANNER}/Download/{file}",
        f"{SCANNER.replace('unstable', 'v1')}/download/{file}",
    ]
    return [*found, f"/_synapse/admin/v1/media/{file}"]
