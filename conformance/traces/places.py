"""Where a deployment holds things, as far as its description says."""

from __future__ import annotations

from conformance.traces.chunks import Chunk, Place
from conformance.traces.files import Folder
from conformance.traces.postgres import PostgresDatabase
from conformance.traces.sqlite import SqliteDatabase
from fixtures.deployment import Storage

__all__ = ["Chunk", "Folder", "Place", "PostgresDatabase", "SqliteDatabase", "missing_from", "places_of"]


def places_of(storage: Storage) -> list[Place]:
    """Give everything that a deployment holds: databases, media stores, mails, state, logs."""
    stores = {f"{kind} {name}": path for kind in ("media", "mail", "state") for name, path in getattr(storage, kind).items()}
    folders = [
        # A service's state has its media in it: a folder that is searched by itself is left to that.
        Folder(name, path, may_be_empty=True, elsewhere=frozenset(stores.values()) - {path})
        for name, path in stores.items()
    ]
    folders += [Folder("logs", path) for path in sorted({path.parent for path in storage.logs.values()})]
    found: list[Place] = []
    if storage.postgres:
        found += [PostgresDatabase(f"database {name}", storage.postgres, name) for name in storage.postgres.databases]
    for path in storage.sqlite:
        # Those inside a folder are opened with it.
        if not any(folder.path in path.parents for folder in folders):
            found.append(SqliteDatabase(f"database {path.parent.name}/{path.name}", path))
    return [*found, *folders]


def missing_from(storage: Storage) -> list[str]:
    """Give what a deployment is said to hold and is not there, each with its path: not there is not empty."""
    named = [(f"{kind} {name}", path) for kind in ("media", "mail", "state") for name, path in getattr(storage, kind).items()]
    named += [("logs", path) for path in sorted({path.parent for path in storage.logs.values()})]
    absent = [f"{name} in {path}" for name, path in named if not path.is_dir()]
    return [*absent, *(f"a database in {path}" for path in storage.sqlite if not path.is_file())]
