"""Peers that do nothing: nginx with a constant answer, and one that holds polls as a homeserver does when nobody writes."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fixtures.debian import Prefix, debian
from load.bench.readers import answers

__all__ = ["holder", "nginx"]

_HOLD = 30.0
_CONFIGURATION = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 9000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  geo $dollar {{ default "$"; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    keepalive_timeout 600s;
    keepalive_requests 100000000;
    default_type application/json;
    location /_matrix/client/v3/sync {{ proxy_pass http://127.0.0.1:{holder}; proxy_read_timeout 120s; }}
    location ~ /keys/query$ {{ return 200 '{query}'; }}
    location ~ /keys/claim$ {{ return 200 '{claim}'; }}
    location ~ /members$ {{ return 200 '{{"chunk":[]}}'; }}
    location ~ /send/ {{ return 200 '{{"event_id":"${{dollar}}$request_id"}}'; }}
    location / {{ return 200 '{{}}'; }}
  }}
}}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the peer ended with {process.returncode} while starting")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the peer did not listen at port {port} within 20 s")


@contextmanager
def _running(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    # It ends with whoever began it, a kill -9 included.
    process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "--", *command], env=environment)
    try:
        _await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def holder() -> Iterator[int]:
    """Give the port of a peer that answers a first `/sync` at once, and holds every later one."""
    port = _free_port()
    with _running([sys.executable, "-m", "load.bench.peers", str(port)], port):
        yield port


@contextmanager
def nginx(folder: Path, holding: int) -> Iterator[int]:
    """Give the port of an nginx that does nothing; polls go to the holder."""
    port = _free_port()
    prefix: Prefix = debian("nginx")
    (folder / "nginx.conf").write_text(_CONFIGURATION.format(folder=folder, port=port, holder=holding, **answers()))
    command = [str(prefix.program("nginx")), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with _running(command, port, prefix.environment() or None):
        yield port


class _Holder(asyncio.Protocol):
    """Answers polls with nothing new: the first at once, those with `since` after a while."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length:
                self._buffer = self._buffer[int(length.group(1)) :]
            if b"since=" in head.split(b"\r\n", 1)[0]:
                asyncio.get_running_loop().call_later(_HOLD, self._answer)
            else:
                self._answer()

    def _answer(self) -> None:
        body = b'{"next_batch":"s1"}'
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        if not self._transport.is_closing():
            self._transport.write(head + body)


async def _hold(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Holder, "127.0.0.1", port, backlog=8192)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_hold(int(sys.argv[1])))
