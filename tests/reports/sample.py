"""A verdict with every status, and evidence with what tries to break out of a page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from reports.redaction import Redactor
from reports.verdict import Asked, Check, Component, Deployment, Level, Rule, Statement, Status, Verdict, conclude, write

HOSTILE = '</script><script>window.broken = true</script><img src=x onerror="window.broken = true"> {{ 7*7 }} \' " &'


def rule(identifier: str, status: Status, level: Level = Level.MUST, reason: str = "") -> Rule:
    chapter = identifier.rpartition("-")[0]
    told = {Status.ACCEPTED: Status.FAIL}.get(status, status)
    checks: tuple[Check, ...] = ()
    if status not in (Status.NOT_RUN, Status.EXCLUDED):
        name, where = f"{identifier}/what-was-seen", f"evidence/{identifier}.json"
        message = "" if status is Status.PASS else reason
        checks = (Check(id=name, status=told, seconds=1.25, message=message, title="A story.", evidence=where),)
    return Rule(
        id=identifier,
        chapter=chapter,
        level=level,
        statement=Statement(en=f"Statement of {identifier}.", fr=f"Énoncé de {identifier}."),
        source="Créer votre compte",
        status=status,
        reason=reason,
        checks=checks,
        proved_by=("link-works-twice",) if status is Status.PASS else (),
    )


def verdict(*rules: Rule, doubt: str = "", levels: tuple[Level, ...] = tuple(Level)) -> Verdict:
    return conclude(
        rules=rules or every_status(),
        asked=Asked(levels=levels),
        deployment=Deployment(kind="embedded", name="sample", components=(Component(name="synapse", version="1.163.2"),)),
        profile="guide",
        started=datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
        seconds=42.0,
        seed=7,
        doubt=doubt,
    )


def every_status() -> tuple[Rule, ...]:
    return (
        rule("REG-1", Status.PASS),
        rule("REG-2", Status.NOT_RUN, Level.DERIVED, "no check of it ran"),
        rule("REG-6", Status.FAIL, Level.SHOULD, HOSTILE),
        rule("GST-1", Status.ERROR, reason="the antivirus died"),
        rule("GST-2", Status.UNTESTABLE, reason="needs a homeserver of externals"),
        rule("GST-3", Status.ACCEPTED, reason="known since 2025"),
        rule("XCL-1", Status.EXCLUDED, reason="no server shows it"),
    )


def write_run(folder: Path, told: Verdict | None = None) -> Path:
    """Write a run's folder: the verdict and evidence for each check."""
    found = told or verdict()
    write(found, folder / "verdict.json", Redactor())
    (folder / "evidence").mkdir(exist_ok=True)
    for each in found.rules:
        for check in each.checks:
            exchange = {
                "at": 0.1, "who": "Zoé", "method": "POST", "url": "https://127.0.0.2/_matrix/client/v3/register?x=1",
                "status": 403, "error": "", "ms": 12.0, "request_body": json.dumps({"a": HOSTILE}), "response_body": HOSTILE,
            }  # fmt: skip
            content = {
                "schema": "vigie.evidence/1", "check": check.id, "rule": each.id,
                "status": check.status, "message": check.message,
                "started": "2026-11-23T10:00:00Z", "seconds": 1.25, "exchanges": [exchange], "traceback": HOSTILE,
                "people": [{"name": "Zoé", "role": "agent", "user_id": "@zoe:x", "homeserver": "agents-1"}],
                "mails": [{"at": 0.2, "to": "zoe@x", "subject": HOSTILE, "text": "bonjour"}],
                "logs": [{"service": "agents-1", "lines": [HOSTILE]}],
            }  # fmt: skip
            (folder / str(check.evidence)).write_text(json.dumps(content))
    return folder
