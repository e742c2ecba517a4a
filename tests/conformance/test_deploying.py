"""What is laid over a homeserver's configuration: a file that cannot be used is told in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.deploying import read_overlays
from fixtures.errors import DeploymentError


def test_a_file_is_laid_over_a_homeserver(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("motd: été\n", encoding="utf-8")
    assert read_overlays([f"agents-1={file}"]) == {"agents-1": {"motd": "été"}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("motd: été\n".encode("latin-1"), "not UTF-8 text, at byte 6: save it in UTF-8"),
        (b"since: 2026-13-45\n", "month must be in 1..12"),
        (b"[" * 20_000, "nested too deeply"),
        (b"a: [\n", "while parsing"),
        (b"- a\n", "not a mapping"),
    ],
)
def test_a_mistake_is_one_line_with_the_file(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)
    with pytest.raises(DeploymentError) as raised:
        read_overlays([f"agents-1={file}"])
    assert str(raised.value).startswith(f"--overlay {file}: ") and says in str(raised.value), str(raised.value)
    assert "\n" not in str(raised.value)
