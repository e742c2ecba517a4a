"""What lies in a homeserver's media store."""

from __future__ import annotations

from pathlib import Path

from conformance.outcome import untestable
from fixtures.deployment import Deployment, Homeserver

__all__ = ["kept_files"]


def kept_files(deployment: Deployment, homeserver: Homeserver) -> set[Path]:
    """Give the files of a homeserver's media store that hold anything; raises `Untestable` where nobody may look."""
    folder = deployment.storage.media.get(homeserver.name) if deployment.storage else None
    if folder is None or not folder.is_dir():
        raise untestable(f"the folder of {homeserver.name}'s media ([storage.media] in the deployment's TOML)")
    return {path for path in folder.rglob("*") if path.is_file() and path.stat().st_size}
