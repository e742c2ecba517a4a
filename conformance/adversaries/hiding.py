"""Hiding places of a marked file: layers of archives, mails and pages around it, under any name and type.

Outside: an archive under a password (ciphertext to all who have only the file), encodings that a reader has to undo by hand
(base64 in a plain text, bytes shifted or reversed), and 7z by bzip2, deflate or PPMd, which ClamAV does not open and, since
the archive's header is compressed too, cannot tell from one that it does. Likewise bytes before anything but a zip, and
before a zip whose entries do not tell their sizes: most readers do not open those either.
"""

from __future__ import annotations

import base64
import bz2
import email.message
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import py7zr
import pyppmd
from backports import zstd
from hypothesis import strategies as st

__all__ = ["KNOWN", "LAYERS", "Hidden", "hidden"]

_NAMES = (
    "facture.pdf",
    "photo.png",
    "note.txt",
    "présentation été.odp",
    "programme.exe",
    "sans-nom",
    ".cache",
    "a" * 120,
    "x/y/z.doc",
)
_TYPES = ("application/octet-stream", "application/pdf", "image/png", "text/plain", "video/mp4", "application/zip", "")


def _zip(content: bytes, name: str, method: int = zipfile.ZIP_DEFLATED, siblings: int = 0, before: bytes = b"") -> bytes:
    out = io.BytesIO()
    out.write(before)
    with zipfile.ZipFile(out, "a" if before else "w", method) as archive:
        for number in range(siblings):
            archive.writestr(f"{number}.txt", f"pièce {number}")
        archive.writestr(name, content)
        if siblings:
            archive.writestr("fin.txt", "fin")
    return out.getvalue()


class _Unseekable(io.RawIOBase):
    """A stream as a pipe is: an archive written to it tells sizes after the content."""

    def __init__(self) -> None:
        self.content = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.content += piece
        return len(piece)


def _streamed_zip(content: bytes, name: str) -> bytes:
    out = _Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return bytes(out.content)


def _zip_by(method: int, packed: bytes, content: bytes, name: str) -> bytes:
    """Write a zip by a method that Python's own module does not have (PKWARE's APPNOTE.TXT, 4.4.5), of what it made."""
    inside, sizes = name.encode(), (zlib.crc32(content), len(packed), len(content))
    about = struct.pack("<5H3L2H", 63, 0x800, method, 0, 0x21, *sizes, len(inside), 0)
    entry = b"PK\3\4" + about + inside + packed
    listed = b"PK\1\2" + struct.pack("<H", 63) + about + struct.pack("<3H2L", 0, 0, 0, 0, 0) + inside
    return entry + listed + b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 1, 1, len(listed), len(entry), 0)


def _ppmd_zip(content: bytes, name: str) -> bytes:
    order, megabytes = 8, 1
    encoder = pyppmd.Ppmd8Encoder(order, megabytes << 20)
    packed = encoder.encode(content) + encoder.flush()
    return _zip_by(98, struct.pack("<H", (order - 1) + ((megabytes - 1) << 4)) + packed, content, name)


def _tar(content: bytes, name: str, kind: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _seven_zip(content: bytes, name: str, method: int = py7zr.FILTER_LZMA2) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", filters=[{"id": method}]) as archive:
        archive.writestr(content, name)
    return out.getvalue()


def _mail(content: bytes, name: str, encoding: str = "base64") -> bytes:
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@dehors.example", "b@dehors.example", "pièce jointe"
    message.set_content("Voir la pièce jointe.")
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name, cte=encoding)
    return message.as_bytes()


def _page(content: bytes, _name: str) -> bytes:
    data = base64.b64encode(content).decode()
    return f'<html><body><a href="data:application/octet-stream;base64,{data}">facture</a></body></html>'.encode()


_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"
_PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n"
_FRONTS = {"": b"", "picture": _PNG, "PDF": _PDF, "program": b"MZ\x90\0" + bytes(60), "mark of UTF-8": b"\xef\xbb\xbf"}

LAYERS: dict[str, Callable[[bytes, str], bytes]] = {
    "zip": _zip,
    "stored zip": lambda content, name: _zip(content, name, zipfile.ZIP_STORED),
    "bzip2 zip": lambda content, name: _zip(content, name, zipfile.ZIP_BZIP2),
    "lzma zip": lambda content, name: _zip(content, name, zipfile.ZIP_LZMA),
    "xz zip": lambda content, name: _zip_by(95, lzma.compress(content, preset=0), content, name),
    "Zstandard zip": lambda content, name: _zip_by(93, zstd.compress(content), content, name),
    "PPMd zip": _ppmd_zip,
    "zip among many": lambda content, name: _zip(content, name, siblings=200),
    "streamed zip": _streamed_zip,
    "zip behind a picture": lambda content, name: _zip(content, name, before=_PNG),
    "zip behind a PDF": lambda content, name: _zip(content, name, before=_PDF),
    "tar": _tar,
    "old tar": lambda content, name: _tar(content, name[:90], tarfile.USTAR_FORMAT),
    "GNU tar": lambda content, name: _tar(content, name, tarfile.GNU_FORMAT),
    "gz": lambda content, _name: gzip.compress(content, mtime=0),
    "bz2": lambda content, _name: bz2.compress(content),
    "xz": lambda content, _name: lzma.compress(content),
    "7z": _seven_zip,
    "7z by LZMA": lambda content, name: _seven_zip(content, name, py7zr.FILTER_LZMA),
    "7z as it is": lambda content, name: _seven_zip(content, name, py7zr.FILTER_COPY),
    "mail": _mail,
    "quoted mail": lambda content, name: _mail(content, name, "quoted-printable"),
    "page": _page,
}
"""What can be put around a content, each a function of the content and the name it has inside."""


_UNOPENED = frozenset({"lzma zip", "xz zip", "Zstandard zip", "PPMd zip"})


@dataclass(frozen=True)
class Hidden:
    """A hiding place: what lies around the mark, from the inside out, and what the file is called and said to be.

    `which` of the marks that the deployment names it is, counted round.
    """

    layers: tuple[str, ...] = ()
    before: int = 0
    after: int = 0
    noise: bool = False
    front: str = ""
    inside: str = "note.txt"
    name: str = "note.txt"
    kind: str = "application/octet-stream"
    encrypted: bool = False
    which: int = 0

    def around(self, mark: bytes) -> bytes:
        """Give the file with this mark inside."""
        content = _FRONTS[self.front] + self._filler(self.before, 1) + mark + self._filler(self.after, 2)
        for layer in self.layers:
            content = LAYERS[layer](content, self.inside)
        return content

    @property
    def is_opened(self) -> bool:
        """Tell whether an antivirus opens all layers; where it does not, a file may be refused whatever is inside."""
        return _UNOPENED.isdisjoint(self.layers)

    def _filler(self, size: int, which: int) -> bytes:
        # Noise does not compress, so that the mark lies deep in the archive too; zeros do.
        return random.Random(which).randbytes(size) if self.noise else bytes(size)  # noqa: S311

    def __str__(self) -> str:
        """Tell it from the inside out."""
        padding = f"{self.before} bytes of {'noise' if self.noise else 'zeros'}, " if self.before else ""
        told = f"{self.front and f'head of a {self.front}, '}{padding}the mark" + (
            f", {self.after} bytes" if self.after else ""
        )
        where = "".join(f" in {layer}" for layer in self.layers)
        under = " (encrypted end to end)" if self.encrypted else ""
        return f"{told}{where}, inside as {self.inside!r}, sent as {self.name!r} of type {self.kind!r}{under}"


def _sizes() -> st.SearchStrategy[int]:
    """Give sizes around those at which buffers end."""
    near = st.tuples(st.sampled_from((512, 4096, 8192, 65_536, 131_072, 262_144, 1_048_576)), st.integers(-70, 70)).map(sum)
    return st.one_of(st.integers(0, 200), near)


def hidden(depth: int = 4) -> st.SearchStrategy[Hidden]:
    """Give hiding places of at most so many layers."""
    return st.builds(
        Hidden,
        layers=st.lists(st.sampled_from(sorted(LAYERS)), max_size=depth).map(tuple),
        before=_sizes(),
        after=_sizes(),
        noise=st.booleans(),
        front=st.sampled_from(sorted(_FRONTS)),
        inside=st.sampled_from(_NAMES),
        name=st.sampled_from(_NAMES),
        kind=st.sampled_from(_TYPES),
        encrypted=st.booleans(),
        which=st.integers(0, 1),
    )


KNOWN = [Hidden(layers=(layer,), which=number % 2) for number, layer in enumerate(LAYERS)] + [
    Hidden(layers=("zip",) * 6),
    Hidden(layers=("gz", "bz2", "xz", "tar", "7z", "zip")),
    Hidden(layers=("zip", "mail", "zip", "page")),
    Hidden(before=131_060, noise=True),
    *(Hidden(front=front) for front in _FRONTS if front),
    # A picture that cannot be made small was not delivered at its first download.
    Hidden(front="picture", name="photo.png", kind="image/png"),
]
"""One of each layer, deep ones, and those that once got through: every run tries them."""
