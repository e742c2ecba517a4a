"""The evidence of one check, schema ``vigie.evidence/1``: who did what, what came back, mails, and the servers' logs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reports.files import write_atomically
from reports.redaction import Redactor
from reports.verdict import Status

__all__ = ["Evidence", "Exchange", "Log", "MailSeen", "Person", "file_name", "write"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Person(_Part):
    """Somebody who took part."""

    name: str
    role: str
    user_id: str
    homeserver: str


class Exchange(_Part):
    """A request and its answer; `at` in seconds since the check began, `status` None where there was no answer."""

    at: float
    who: str
    method: str
    url: str
    status: int | None
    error: str = ""
    ms: float
    request_body: str = ""
    response_body: str = ""


class MailSeen(_Part):
    """A mail that the check read."""

    at: float
    to: str
    subject: str
    text: str


class Log(_Part):
    """Lines that a service wrote while the check ran."""

    service: str
    lines: list[str]


class Evidence(_Part):
    """What there is to see of a check."""

    format: Literal["vigie.evidence/1"] = Field(default="vigie.evidence/1", alias="schema")
    check: str
    rule: str
    title: str = ""
    status: Status
    message: str = ""
    started: str
    seconds: float
    people: list[Person] = []
    exchanges: list[Exchange] = []
    mails: list[MailSeen] = []
    logs: list[Log] = []
    traceback: str = ""


def file_name(check: str) -> str:
    """Give the file's name for a check's id."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", check).strip("-") + ".json"


def write(folder: Path, evidence: Evidence, redactor: Redactor) -> str:
    """Write the evidence, cleaned, and give its path relative to the run's folder; raises `ReportError`."""
    relative = f"evidence/{file_name(evidence.check)}"
    cleaned: dict[str, Any] = redactor.clean(evidence.model_dump(mode="json", by_alias=True))
    whole = Evidence.model_validate(cleaned)
    write_atomically(folder / relative, whole.model_dump_json(by_alias=True, indent=1) + "\n")
    return relative
