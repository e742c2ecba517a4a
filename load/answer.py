"""Reading an HTTP/1.1 answer from a socket, by llhttp (geventhttpclient binds it), without looking at what nobody asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

__all__ = ["Answer", "BrokenAnswer", "Headers"]

_MANY = 1 << 16


class BrokenAnswer(Exception):
    """What came is no whole HTTP answer; the message says how far it got."""


class Headers(Mapping[str, str]):
    """An answer's headers, names in lower case; parsed when the first is asked for, which hardly anybody does."""

    __slots__ = ("_parsed", "_raw")

    def __init__(self, raw: bytes) -> None:
        """Take the head of the answer."""
        self._raw = raw
        self._parsed: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._parsed is None:
            lines = self._raw.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")[1:]
            pairs = (line.partition(":") for line in lines if ":" in line)
            self._parsed = {name.strip().lower(): value.strip() for name, _colon, value in pairs}
        return self._parsed

    def __getitem__(self, name: str) -> str:
        """Give a header's value."""
        return self._all()[name.lower()]

    def __iter__(self) -> Iterator[str]:
        """Give the names."""
        return iter(self._all())

    def __len__(self) -> int:
        """Tell how many there are."""
        return len(self._all())


class Answer(HTTPResponseParser):
    """One answer as it comes in."""

    __slots__ = ("_headless", "_parts", "begun", "complete", "excess", "head", "head_complete")

    def __init__(self, *, headless: bool = False) -> None:
        """Begin; `headless` is for answers that have no body whatever their head says (to HEAD)."""
        super().__init__()
        self._headless = headless
        self._parts: list[bytes] = []
        self.head = b""
        self.begun = self.head_complete = self.complete = self.excess = False

    # llhttp's callbacks, by the names that the binding calls.

    def _on_message_begin(self) -> None:
        # A second answer that nobody asked for: the connection cannot be trusted with the next question.
        self.excess = self.excess or self.complete
        self.begun = True

    def _on_status(self, _text: str) -> None: ...

    def _on_header_field(self, _text: str) -> None: ...

    def _on_header_value(self, _text: str) -> None: ...

    def _on_headers_complete(self) -> bool:
        self.head_complete = True
        return self._headless

    def _on_body(self, part: Any) -> None:
        if not self.excess:
            self._parts.append(bytes(part))

    def _on_message_complete(self) -> None:
        if self.get_code() >= 200:
            self.complete = True

    def read(self, socket: Any) -> None:
        """Read until the answer is complete. Raises `BrokenAnswer`, and whatever the socket raises."""
        feed, size = self.feed, 8192
        while True:
            data = socket.recv(size)
            if not self.head_complete:
                self.head += data
            try:
                if data:
                    feed(data)
                elif not self._ends_with_the_connection():
                    raise BrokenAnswer(f"the connection ended {self._how_far()}")
            except HTTPParseError as error:
                raise BrokenAnswer(f"what came is no HTTP answer: {error}") from None
            if self.complete:
                return
            size = _MANY

    def _ends_with_the_connection(self) -> bool:
        """Tell whether the end of the connection is the end of the body: no length and no chunks were announced."""
        headers = Headers(self.head) if self.head_complete else {}
        self.complete = self.head_complete and "content-length" not in headers and "transfer-encoding" not in headers
        self.excess = True
        return self.complete

    def _how_far(self) -> str:
        if self.head_complete:
            return f"after {sum(map(len, self._parts))} bytes of the answer's body"
        return "within the answer's head" if self.begun else "before any answer"

    @property
    def reusable(self) -> bool:
        """Tell whether another question may go over the same connection."""
        return self.complete and not self.excess and bool(self.should_keep_alive())

    @property
    def status(self) -> int:
        """The status."""
        return int(self.get_code())

    @property
    def body(self) -> bytes:
        """The body so far."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    @property
    def headers(self) -> Headers:
        """The headers."""
        return Headers(self.head)
