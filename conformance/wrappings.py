"""Places in which something can be hidden: each takes bytes and gives a file that holds them."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import random
import secrets
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Literal

import py7zr

__all__ = ["WRAPPINGS", "bomb", "crowded", "deep", "large", "picture", "zipped"]

MIB = 1024 * 1024


def zipped(*members: tuple[str, bytes], stored: bool = False) -> bytes:
    """Put files into a ZIP archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


def _tarred(content: bytes, mode: Literal["w", "w:gz", "w:bz2", "w:xz"]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as archive:
        entry = tarfile.TarInfo("dossier/note.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


def _seven(content: bytes) -> bytes:
    target = io.BytesIO()
    with py7zr.SevenZipFile(target, "w") as archive:
        archive.writestr(content, "note.txt")
    return target.getvalue()


def _nested(content: bytes, depth: int) -> bytes:
    for level in range(depth):
        content = zipped((f"niveau{level}.zip" if level else "note.txt", content))
    return content


def _mixed(content: bytes) -> bytes:
    """Wrap in one format after another."""
    return bz2.compress(_tarred(zipped(("note.txt.gz", gzip.compress(content))), "w:gz"))


def _document(content: bytes) -> bytes:
    """Give what looks like a text processor's document, with an object in it."""
    types = b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    parts = (("[Content_Types].xml", types), ("word/document.xml", b"<document/>"), ("word/embeddings/objet.bin", content))
    return zipped(*parts)


def _pdf(content: bytes) -> bytes:
    """Give a PDF document of one empty page, with a file attached to it that is packed as most of their parts are."""
    attached = zlib.compress(content)
    parts = (
        b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [(note) 4 0 R] >> >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] >>",
        b"<< /Type /Filespec /F (note.bin) /EF << /F 5 0 R >> >>",
        b"<< /Type /EmbeddedFile /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(attached), attached),
    )
    whole, places = b"%PDF-1.7\n", []
    for number, part in enumerate(parts, start=1):
        places.append(b"%010d 00000 n \n" % len(whole))
        whole += b"%d 0 obj\n%s\nendobj\n" % (number, part)
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(places)
    return whole + table + b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(whole)


def _mail(content: bytes) -> bytes:
    """Give a mail with an attachment."""
    head = (
        "From: a@exemple.test\r\nTo: b@exemple.test\r\nSubject: une note\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="borne"\r\n\r\n--borne\r\nContent-Type: text/plain\r\n\r\nBonjour.\r\n'
        "--borne\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="note.bin"\r\n\r\n'
    )
    return head.encode() + base64.encodebytes(content) + b"\r\n--borne--\r\n"


def _many(content: bytes) -> bytes:
    small = [(f"{number:04}.txt", b"sain %d" % number) for number in range(2000)]
    return zipped(*small[:1900], ("1900-note.txt", content), *small[1900:])


def _noise(length: int) -> bytes:
    return random.Random(7).randbytes(length)  # noqa: S311 -- filling, the same every time


def large(content: bytes) -> bytes:
    """Give a file of 26 MiB that does not compress, more than ClamAV long took by default, with the content at its end."""
    return _noise(26 * MIB) + content


def bomb(content: bytes) -> bytes:
    """Give an archive of few KiB that unpacks to more than 120 MiB, and holds the content at its very end.

    The layers differ from each other and from those of any other: an antivirus passes over what it has once seen, and
    counts it no more.
    """
    layers = ((f"{n}.zip", zipped((f"{n}.bin", secrets.token_bytes(64) * (40 * MIB // 64)))) for n in range(3))
    return zipped(*layers, ("note.txt", content))


def deep(content: bytes) -> bytes:
    """Give archives in archives, more of them than an antivirus opens."""
    return _nested(content, 40)


def crowded(content: bytes) -> bytes:
    """Give an archive of more files than an antivirus looks at, with the content in the last one."""
    return zipped(*((f"{number}.txt", b"sain %d" % number) for number in range(20_000)), ("note.txt", content))


def picture(appended: bytes = b"") -> bytes:
    """Give a picture that every viewer shows, with something behind its end."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    side = 64
    rows = b"".join(b"\0" + b"\xc8\x20\x20" * side for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    whole = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + whole + appended


WRAPPINGS: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "archive": (lambda content: zipped(("note.txt", content)), "note.zip", "application/zip"),
    "archive, not compressed": (lambda content: zipped(("n.txt", content), stored=True), "note.zip", "application/zip"),
    "archives in archives": (lambda content: _nested(content, 6), "note.zip", "application/zip"),
    "tar": (lambda content: _tarred(content, "w"), "note.tar", "application/x-tar"),
    "tar.gz": (lambda content: _tarred(content, "w:gz"), "note.tgz", "application/gzip"),
    "tar.bz2": (lambda content: _tarred(content, "w:bz2"), "note.tbz", "application/x-bzip2"),
    "tar.xz": (lambda content: _tarred(content, "w:xz"), "note.txz", "application/x-xz"),
    "xz": (lzma.compress, "note.xz", "application/x-xz"),
    "gzip three times": (lambda content: gzip.compress(gzip.compress(gzip.compress(content))), "n.gz", "application/gzip"),
    "7z": (_seven, "note.7z", "application/x-7z-compressed"),
    "one format in another": (_mixed, "note.bz2", "application/x-bzip2"),
    "document": (_document, "note.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "PDF": (_pdf, "note.pdf", "application/pdf"),
    "mail": (_mail, "note.eml", "message/rfc822"),
    "wrong type": (lambda content: content, "note.txt", "image/png"),
    "archive with a picture's name and type": (lambda content: zipped(("note.txt", content)), "photo.jpg", "image/jpeg"),
    "behind a picture": (picture, "photo.png", "image/png"),
    "padding before": (lambda content: bytes(3 * MIB) + content, "note.bin", "application/octet-stream"),
    "padding behind": (lambda content: content + bytes(3 * MIB), "note.bin", "application/octet-stream"),
    "noise on both sides": (lambda content: _noise(99_999) + content + _noise(5000), "n.bin", "application/octet-stream"),
    "one of many small files": (_many, "notes.zip", "application/zip"),
    "large file": (large, "note.bin", "application/octet-stream"),
}
"""Name of each, how it is made, and the name and type under which the file is sent."""
