"""The evidence of one check, `vigie.evidence/1`: who did what, what came back, mails, and the servers' logs.

Times (`at`) are seconds since the check began; `ms` are milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue
from pydantic_core import to_json

from reports.files import write_atomically
from reports.model import Document, Text, dumped, parsed, read_document, well_formed
from reports.redaction import Redactor
from reports.verdict import Status

__all__ = [
    "LONGEST_BODY",
    "Evidence",
    "Exchange",
    "Log",
    "MailSeen",
    "Note",
    "Person",
    "body",
    "file_name",
    "read",
    "write",
]

LONGEST_BODY = 16 * 1024
"""A body is told up to this many bytes."""

_TEXTUAL_CONTROLS = frozenset("\t\n\r\f")
# A lone surrogate hidden in an escape, and a number that becomes infinite, can be read and not be written.
_ODD = re.compile(r"\\u[dD]|[0-9.][eE]\+?[0-9]{3}|[0-9]{200}")


class Person(Document):
    """Somebody who took part."""

    name: Text
    role: Text
    user_id: Text = ""
    homeserver: Text = ""


class Note(Document):
    """A sentence of the story between the exchanges."""

    at: float
    text: Text


class Exchange(Document):
    """A request and its answer; `status` is None where no answer came, and `error` then says why.

    Bodies are text or JSON, see `body`.
    """

    at: float
    who: Text
    method: Text
    url: Text
    status: int | None
    error: Text = ""
    ms: float
    request_headers: dict[str, Text] = Field(default_factory=dict)
    request_body: JsonValue = None
    response_headers: dict[str, Text] = Field(default_factory=dict)
    response_body: JsonValue = None


class MailSeen(Document):
    """A mail that the check read."""

    at: float
    to: Text
    sender: Annotated[Text, Field(validation_alias="from", serialization_alias="from")] = ""
    subject: Text
    text: Text


class Log(Document):
    """Lines that a service wrote while the check ran."""

    service: Text
    lines: list[Text]


class Evidence(Document):
    """What there is to see of a check; `started` is ISO 8601."""

    schema_: Annotated[Literal["vigie.evidence/1"], Field(validation_alias="schema", serialization_alias="schema")] = (
        "vigie.evidence/1"
    )
    check: Text
    rule: Text
    title: Text = ""
    status: Status
    message: Text = ""
    started: str
    seconds: float
    people: list[Person] = Field(default_factory=list)
    notes: list[Note] = Field(default_factory=list)
    exchanges: list[Exchange] = Field(default_factory=list)
    mails: list[MailSeen] = Field(default_factory=list)
    logs: list[Log] = Field(default_factory=list)
    traceback: Text = ""


def file_name(check: str) -> str:
    """Give a file name for a check's id: readable, safe in every file system, and another one for every id."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", check).strip("-.")[:80]
    return f"{slug}-{hashlib.sha256(check.encode('utf-8', 'replace')).hexdigest()[:8]}.json"


def body(raw: bytes | str | None) -> JsonValue:
    """Give a body as it can be told: JSON as such, text as text, anything else as its size and hash.

    It is not shortened here: `write` does that, after secrets were taken out, so that no half of one is left.
    """
    if not raw:
        return None
    if isinstance(raw, bytes):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return _told_by_hash(raw)
    else:
        text = raw
    if any(letter < " " and letter not in _TEXTUAL_CONTROLS for letter in text):
        return _told_by_hash(text.encode("utf-8", "replace"))
    text = str(well_formed(text))
    if text.lstrip()[:1] in ("{", "["):
        try:
            content: JsonValue = parsed(text)
        except ValueError:
            return text
        return content if not _ODD.search(text) or _can_be_written(content) else text
    return text


def _can_be_written(content: JsonValue) -> bool:
    """Tell whether JSON that was read can be written again; where not, a body is told as it came."""
    try:
        written = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return False
    return bool(written == well_formed(written))


def _told_by_hash(raw: bytes) -> str:
    return f"<{len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()}>"


def _shortened(content: JsonValue) -> JsonValue:
    raw = content.encode() if isinstance(content, str) else to_json(content, indent=1)
    if len(raw) <= LONGEST_BODY:
        return content
    return f"{raw[:LONGEST_BODY].decode('utf-8', 'ignore')}\n<cut: {LONGEST_BODY} of {len(raw)} bytes are shown>"


def write(folder: Path, evidence: Evidence, redactor: Redactor) -> str:
    """Write the evidence without its secrets; gives its path relative to the run's folder. Raises ReportError."""
    relative = f"evidence/{file_name(evidence.check)}"
    told: dict[str, Any] = redactor.clean(evidence.model_dump(mode="json", by_alias=True))
    for exchange in told["exchanges"]:
        for part in ("request_body", "response_body"):
            exchange[part] = _shortened(exchange[part])
    write_atomically(folder / relative, dumped(told))
    return relative


def read(path: Path) -> Evidence:
    """Read the evidence of a check. Raises ReportError in one line when it is missing or does not have the form."""
    return read_document(Evidence, path)
