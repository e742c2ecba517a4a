"""Evidence as it lies on disk: no secrets, bodies to be read, names that every file system takes."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from reports import evidence
from reports.evidence import LONGEST_BODY, Evidence, Exchange, body, file_name
from reports.files import ReportError
from reports.redaction import Redactor
from reports.verdict import Status


def of(response: bytes) -> Evidence:
    exchange = Exchange(at=0, who="Zoé", method="GET", url="https://h/", status=200, ms=1, response_body=body(response))
    return Evidence(check="REG-1/x", rule="REG-1", status=Status.PASS, started="now", seconds=0, exchanges=[exchange])


def test_no_secret_of_the_sample_reaches_the_disk(run_folder: Path, sample: ModuleType) -> None:
    files = list((run_folder / "evidence").iterdir())
    assert files
    secrets = (
        json.dumps(sample.PASSWORD)[1:-1],
        sample.PASSWORD,
        sample.TOKEN,
        "AbCdEf123",
        "q8w7e6",
        "NpQrStUvWxYz",
        "abc123def",
    )
    for file in files:
        text = file.read_text()
        assert not [secret for secret in secrets if secret in text]
        assert "@zoe.martin-interieur.gouv.fr:127.0.0.2:8448" in text
        assert evidence.read(file).schema_ == "vigie.evidence/1"


def test_a_long_body_is_cut_after_its_secrets_are_gone(tmp_path: Path) -> None:
    redactor = Redactor()
    redactor.learn("the-secret-at-the-edge")
    path = tmp_path / evidence.write(tmp_path, of(b"x" * (LONGEST_BODY - 8) + b"the-secret-at-the-edge" + b"y" * 999), redactor)
    told = evidence.read(path).exchanges[0].response_body
    assert isinstance(told, str) and "the-sec" not in told and "bytes are shown>" in told


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", None),
        (None, None),
        (b'{"a": [1, null]}', {"a": [1, None]}),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": -1.5E+999}', '{"a": -1.5E+999}'),
        (b'{"a": "\\ud83d\\ude00", "b": 1e300}', {"a": "\U0001f600", "b": 1e300}),
        (b"[" * 9_000, "[" * 9_000),
        ("accentué".encode(), "accentué"),
        (b"\x89PNG\xff", "<5 bytes, sha256 5b13a3f82f1d2d39fd0c5e45fbc72bd5e0aa7aa0e8ab2e4d2e6b1b5f4d0a1c00>"),
        (b"nul\x00", "<4 bytes, sha256 "),
    ],
)
def test_bodies(raw: bytes | None, told: object) -> None:
    found = body(raw)
    if isinstance(told, str) and told.startswith("<"):
        assert isinstance(found, str) and found.startswith(told[:16])
    else:
        assert found == told


@pytest.mark.parametrize("odd", [b'{"a": "\\ud800"}', b'{"a": 1e999}', b'{"a": [1e308, 9e999]}'])
def test_json_that_cannot_be_written_again_is_borne(tmp_path: Path, odd: bytes) -> None:
    path = tmp_path / evidence.write(tmp_path, of(odd), Redactor())
    assert evidence.read(path).exchanges[0].response_body is not None


def test_file_names() -> None:
    name = file_name("REG-1/agent-registers[interieur]")
    assert name.startswith("REG-1-agent-registers-interieur-") and name.endswith(".json")
    assert file_name("A/b") != file_name("A-b")
    assert "/" not in file_name("../../etc/passwd") and not file_name("../x").startswith(".")
    assert len(file_name("é" * 5_000 + "x" * 5_000)) < 120


def test_corrupt_evidence_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{"schema": "vigie.evidence/1"}')
    with pytest.raises(ReportError, match="check: Field required"):
        evidence.read(tmp_path / "e.json")
