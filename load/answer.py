"""Reading an HTTP/1.1 answer from a socket, without looking at what nobody asks for.

Almost every answer comes whole, with its length in its head, and is taken apart here; whatever is not as plain as that goes to
llhttp (geventhttpclient binds it), from its first byte on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from geventhttpclient._parser import HTTPParseError, HTTPResponseParser

__all__ = ["Answer", "BrokenAnswer", "Headers", "read_answer"]

Receive = Callable[[int], bytes]
_FIRST, _MANY = 8192, 1 << 16
_LENGTH = b"\r\ncontent-length: "


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


class Answer:
    """An answer that is complete; `reusable` tells whether another question may go over the same connection."""

    __slots__ = ("body", "headers", "reusable", "status")

    def __init__(self, status: int, head: bytes, body: bytes, reusable: bool) -> None:
        """Take its parts; `head` may have some of the body behind it."""
        self.status, self.headers, self.body, self.reusable = status, Headers(head), body, reusable


def read_answer(receive: Receive, *, headless: bool = False) -> Answer:
    """Read an answer; `receive` gives what comes next, `headless` is for answers without a body whatever they say (to HEAD).

    Raises `BrokenAnswer`, and whatever `receive` raises.
    """
    data = receive(_FIRST)
    plain = None if headless else _whole(data)
    return plain or _Parsing(headless=headless).read(data, receive)


def _whole(data: bytes) -> Answer | None:
    """Take apart an answer that came at once, and says plainly how long it is and that the connection stays."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or not data.startswith(b"HTTP/1.1 "):
        return None
    head = data[: end + 2].lower()
    length = head.find(_LENGTH)
    if length < 0 or head.count(b"content-length") != 1 or b"\r\ntransfer-encoding" in head:
        return None
    if b"\r\nconnection:" in head and b"\r\nconnection: keep-alive\r\n" not in head:
        return None
    number, status = head[length + len(_LENGTH) : head.index(b"\r\n", length + 2)], head[9:12]
    if not (number.isdigit() and status.isdigit()) or len(data) != end + 4 + int(number):
        return None
    # Others have no body, whatever their length, or are not the last word.
    return Answer(int(status), data, data[end + 4 :], True) if status >= b"200" and status not in (b"204", b"304") else None


class _Parsing(HTTPResponseParser):
    """One answer as it comes in."""

    __slots__ = ("_headless", "_parts", "begun", "complete", "excess", "head", "head_complete")

    def __init__(self, *, headless: bool) -> None:
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

    def read(self, data: bytes, receive: Receive) -> Answer:
        """Go on from what came first, until the answer is complete."""
        while True:
            if not self.head_complete:
                self.head += data
            try:
                if data:
                    self.feed(data)
                elif not self._ends_with_the_connection():
                    raise BrokenAnswer(f"the connection ended {self._how_far()}")
            except HTTPParseError as error:
                raise BrokenAnswer(f"what came is no HTTP answer: {error}") from None
            if self.complete:
                reusable = not self.excess and bool(self.should_keep_alive())
                return Answer(int(self.get_code()), self.head, b"".join(self._parts), reusable)
            data = receive(_MANY)

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
