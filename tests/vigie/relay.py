"""Carries connections between a network namespace and the one it was made from, by Unix sockets, which are of neither.

``python relay.py inside|outside FOLDER HOST:PORT ...``: inside listens at each address and connects to the socket named after
it, outside the other way round. It says "ready", and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65536):
            writer.write(content)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(side: str, folder: Path, addresses: list[str]) -> None:
    for address in addresses:
        host, _, port = address.rpartition(":")
        path = str(folder / address)

        async def connected(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str = host, port: str = port, path: str = path
        ) -> None:
            try:
                there = await (
                    asyncio.open_unix_connection(path) if side == "inside" else asyncio.open_connection(host, int(port))
                )
            except OSError:
                writer.close()
                return
            await asyncio.gather(_carry(reader, there[1]), _carry(there[0], writer))

        if side == "inside":
            await asyncio.start_server(connected, host, int(port))
        else:
            await asyncio.start_unix_server(connected, path)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:]))
