"""The search for traces finds a mark in any encoding, at any place of a file, and nothing where there is none."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.traces.chunks import Chunk
from conformance.traces.needles import Mark, needles
from conformance.traces.places import Folder
from conformance.traces.planting import forms, key_forms
from conformance.traces.search import NothingSearched, search
from conformance.traces.streams import DEEPEST

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=12, max_size=60)
PLAIN = st.text(st.sampled_from("abcdefghéèàçœ 'ñ-/<>&\"\\~+=%_.@:"), min_size=16, max_size=60)


@dataclass
class Held:
    """A place of bytes in memory, given in pieces of any size."""

    data: bytes
    piece: int = 1 << 20
    name: str = "state held"
    may_be_empty: bool = False
    seen: list[int] = field(default_factory=list)

    def contents(self) -> Iterator[Chunk]:
        for begin in range(0, len(self.data), self.piece):
            yield Chunk("file", self.data[begin : begin + self.piece], begin == 0, holder="file")


def marks_in(data: bytes, *marks: Mark, piece: int = 1 << 20) -> set[str]:
    return {trace.mark for trace in search([Held(data, piece)], marks).traces}


@settings(max_examples=400, deadline=None)
@given(text=PLAIN, before=st.binary(max_size=300), after=st.binary(max_size=50), piece=st.integers(1, 400), data=st.data())
def test_text_is_found_in_any_form_anywhere(text: str, before: bytes, after: bytes, piece: int, data: st.DataObject) -> None:
    form, planted = data.draw(st.sampled_from(sorted(forms(text).items())))
    assert marks_in(before + planted + after, Mark.of("it", text), piece=piece) == {"it"}, form


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
@pytest.mark.parametrize("text", ["chemin:C:\\", "somme=42="])
def test_text_is_found_whose_end_looks_like_an_end_of_line(text: str, piece: int) -> None:
    """The last thing in a stream may be what a soft end of line begins with: it is looked at though nothing follows."""
    half = len(text) // 2
    assert marks_in((text[:half] + "=\n" + text[half:]).encode(), Mark.of("it", text), piece=piece) == {"it"}


@settings(max_examples=40, deadline=None)
@given(key=st.binary(min_size=32, max_size=128), before=st.binary(max_size=300), piece=st.integers(1, 400), data=st.data())
def test_key_is_found_in_any_form_anywhere(key: bytes, before: bytes, piece: int, data: st.DataObject) -> None:
    form, planted = data.draw(st.sampled_from(sorted(key_forms(key).items())))
    assert marks_in(before + planted, Mark("it", key, "key"), piece=piece) == {"it"}, form


@settings(max_examples=40, deadline=None)
@given(noise=st.binary(max_size=2_000), text=TEXT)
def test_nothing_is_found_where_there_is_nothing(noise: bytes, text: str) -> None:
    assert not marks_in(b"." + noise, Mark.of("it", "introuvable-" + text), Mark("key", os.urandom(32), "key"))


@pytest.mark.parametrize("depth", range(1, DEEPEST + 1))
def test_containers_are_opened_as_deep_as_is_said(depth: int) -> None:
    data = "ce qui est écrit dedans ".encode() * 20
    for number in range(depth):
        data = (gzip.compress, zlib.compress)[number % 2](data + b"-" * 50)
    assert marks_in(data, Mark.of("it", "ce qui est écrit")) == {"it"}


def test_what_lies_deeper_is_told() -> None:
    data = b"trop profond, vraiment" * 20
    for _ in range(DEEPEST + 1):
        data = gzip.compress(data + b"-" * 50)
    found = search([Held(data)], [Mark.of("it", "trop profond, vraiment")])
    assert not found.traces
    assert found.cut == [f"state held, file{' > gzip' * (DEEPEST + 1)}: too deep"]


def test_a_bomb_is_bounded_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.traces.search.LARGEST", 1_000_000)
    bomb = zlib.compress(b"\0" * 30_000_000, 9)
    found = search([Held(bomb)], [Mark.of("it", "n'importe quoi")])
    assert found.cut == ["state held, file > zlib: too large"]


def test_members_of_a_broken_archive_are_searched(tmp_path: Path) -> None:
    path = tmp_path / "archive.odt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("premier", b"rien ici" * 40)
        archive.writestr("second", b"le second membre" * 40)
    data = path.read_bytes()
    path.write_bytes(data[: data.rfind(b"PK\x01\x02") - 5])
    found = search([Folder("state x", tmp_path)], [Mark.of("it", "le second membre")])
    assert [trace.where for trace in found.traces] == ["archive.odt > zip second"]


def test_surroundings_show_neither_the_mark_nor_another_key() -> None:
    key, other = b"\x01" * 16 + os.urandom(16), os.urandom(32)
    line = b"token=" + other.hex().encode() + b" texte tres secret " + key.hex().encode() + b" fin"
    found = search([Held(line)], [Mark.of("it", "texte tres secret"), Mark("key", key, "key")])
    told = " ".join(map(str, found.traces))
    assert found.traces and "<mark>" in told
    assert "secret" not in told
    for value in (key.hex(), other.hex()):
        assert value[:20] not in told and value[-20:] not in told


def test_a_search_of_nothing_is_none(tmp_path: Path) -> None:
    mark = Mark.of("it", "quelque chose")
    (tmp_path / "empty").touch()
    for places, marks in (([], [mark]), ([Held(b"")], [mark]), ([Held(b"x")], []), ([Folder("logs", tmp_path)], [mark])):
        with pytest.raises(NothingSearched):
            search(places, marks)


@pytest.mark.parametrize("mark", [b"1234567", b"\xff\xfe" * 8])
def test_what_cannot_be_looked_for_is_refused(mark: bytes) -> None:
    with pytest.raises(ValueError):
        Mark("it", mark)


def test_no_needle_is_short_or_twice() -> None:
    found = needles(Mark.of("it", "éèà/<&> \\ \"'~+"))
    assert len({needle.pattern for needle in found}) == len(found)
    assert min(len(needle.pattern) for needle in found) >= 8
