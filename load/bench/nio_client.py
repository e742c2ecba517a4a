"""matrix-nio's AsyncClient, sending encrypted messages: with the store it comes with, or with one in memory."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from load.bench.readers import DEVICES, READER

__all__ = ["Client", "send_for_a_while"]

Client = Any


async def _client(url: str, number: int, folder: Path | None) -> Client:
    """Give a client in a room of its own with those who read; without a folder its store is in memory."""
    from nio import AsyncClient, MatrixRoom
    from nio.crypto import Olm

    from scenarios.keystore import MemoryStore

    user, room_id = f"@{number}:bench", f"!{number}:bench"
    client: Any = AsyncClient(url, user, store_path=str(folder) if folder else "")
    if folder:
        client.restore_login(user, "BENCH", "bench")
    else:
        client.access_token, client.user_id, client.device_id = "bench", user, "BENCH"
        client.store = MemoryStore()
        client.olm = Olm(user, "BENCH", client.store)
    room = MatrixRoom(room_id, user, encrypted=True)
    room.add_member(user, None, None)
    room.add_member(READER, None, None)
    room.members_synced = True
    client.rooms[room_id] = room
    client.olm.users_for_key_query.add(READER)
    await client.keys_query()
    return client


async def _everybody(
    url: str, agents: int, seconds: float, warm_up: float, text: dict[str, str], folder: Path | None
) -> dict[str, float]:
    done = [0]
    clients = [await _client(url, number, folder) for number in range(agents)]

    async def sender(client: Client) -> None:
        (room_id,) = client.rooms
        while True:
            await client.room_send(room_id, "m.room.message", text, ignore_unverified_devices=True)
            done[0] += 1

    senders = [asyncio.ensure_future(sender(client)) for client in clients]
    await asyncio.sleep(warm_up)
    first, used, began = done[0], time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    number, used, took = done[0] - first, time.process_time() - used, time.monotonic() - began
    for each in senders:
        if each.done():
            each.result()
        each.cancel()
    known = {len(list(client.device_store.active_user_devices(READER))) for client in clients}
    if known != {DEVICES}:
        raise RuntimeError(f"nio knows of {known} devices to share its keys with, not of {DEVICES}")
    for client in clients:
        await client.close()
    return {"number": number, "rate": number / took, "processor_us": used / max(number, 1) * 1e6, "processor": used / took}


def send_for_a_while(
    url: str, agents: int, seconds: float, warm_up: float, text: dict[str, str], folder: Path | None
) -> dict[str, float]:
    """Let so many clients send, each after the other's answer; gives number, rate and processor time."""
    return asyncio.run(_everybody(url, agents, seconds, warm_up, text, folder))
