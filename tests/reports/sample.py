"""A run's folder as the harness writes it, with every status in it and a hostile string wherever one could come from."""
# ruff: noqa: E501 -- tables read better with a row on a line

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from reports import evidence
from reports.evidence import Evidence, Exchange, Log, MailSeen, Note, Person, body
from reports.redaction import Redactor
from reports.verdict import (
    NOT_ASKED,
    Asked,
    Check,
    Component,
    Deployment,
    Level,
    Rule,
    Statement,
    Status,
    Verdict,
    conclude,
    write,
)

HOSTILE = '</script><img src=x onerror="window.stolen=1"><!-- <script>window.stolen=2</script>'
PASSWORD = 'Vélo&fleuve"2026/!'
TOKEN = "syt_em9lLm1hcnRpbg_KqWhyTNopSdXnPzvLbAe_1Xk2Pf"
STARTED = datetime(2026, 11, 23, 10, 15, 4, tzinfo=UTC)

_ACCOUNT, _INVITE = "Créer votre compte", "Les avantages de Tchap"
_GUESTS, _PEOPLE = "Communiquer avec Tchap", "Rechercher une personne"
_SECRECY, _FILES = "Confidentialité et sécurité des échanges", "Les fichiers sont analysés"

# id, chapter, level, status, reason, English, French
_RULES: tuple[tuple[str, str, Level, Status, str, str, str], ...] = (
    ("REG-1", _ACCOUNT, Level.MUST, Status.PASS, "", "An agent creates an account with a professional address and a password of their choice.", "Un agent crée un compte avec son adresse professionnelle et le mot de passe de son choix."),
    ("REG-2", _ACCOUNT, Level.DERIVED, Status.NOT_RUN, NOT_ASKED, "An outside address without an invitation gets no account.", "Une adresse extérieure sans invitation n'obtient pas de compte."),
    ("REG-3", _ACCOUNT, Level.MUST, Status.FAIL, "the invited guest was refused: 403 M_THREEPID_DENIED", "A person from outside who was invited by e-mail creates a guest account with that address.", "Une personne extérieure invitée par courriel crée un compte invité avec cette adresse."),
    ("REG-4", _ACCOUNT, Level.MUST, Status.PASS, "", "The account is validated by the link received by e-mail.", "Le compte est validé par le lien reçu par courriel."),
    ("REG-6", _ACCOUNT, Level.SHOULD, Status.ACCEPTED, "passwords are judged by a strength score since 2025", "A password that is easy to guess is refused.", "Un mot de passe facile à deviner est refusé."),
    ("REG-8", _ACCOUNT, Level.DERIVED, Status.NOT_RUN, NOT_ASKED, "No spelling of an address turns an outsider into an agent.", "Aucune écriture d'une adresse ne fait d'un extérieur un agent."),
    ("INV-1", _INVITE, Level.MUST, Status.PASS, "", "An agent invites an internal correspondent by e-mail.", "Un agent invite par courriel un correspondant interne."),
    ("INV-2", _INVITE, Level.MUST, Status.ERROR, "identity server died during the run", "An agent invites an external correspondent, who ends up in the conversation.", "Un agent invite un correspondant externe, qui rejoint la conversation."),
    ("GST-1", _GUESTS, Level.MUST, Status.PASS, "", "A guest cannot start a conversation between two.", "Un invité ne peut pas démarrer de conversation à deux."),
    ("GST-2", _GUESTS, Level.MUST, Status.PASS, "", "A guest cannot create a room.", "Un invité ne peut pas créer de salon."),
    ("GST-3", _GUESTS, Level.MUST, Status.FAIL, "joined by alias: 200", "A guest cannot reach a public room on their own.", "Un invité ne peut pas accéder seul à un salon public."),
    ("CNV-9", _GUESTS, Level.MUST, Status.EXCLUDED, "icons are drawn by the client; no server shows them", "Rooms are told apart by the shape of their icon.", "Les salons se distinguent par la forme de leur icône."),
    ("DIR-1", _PEOPLE, Level.MUST, Status.PASS, "", "An agent finds any agent of any administration by name.", "Un agent trouve par son nom tout agent de toute administration."),
    ("DIR-4", _PEOPLE, Level.DERIVED, Status.NOT_RUN, NOT_ASKED, "Search matches as a person expects.", "La recherche répond comme on s'y attend."),
    ("E2E-1", _SECRECY, Level.MUST, Status.PASS, "", "Every conversation but a public room is encrypted.", "Toute conversation hors salon public est chiffrée."),
    ("E2E-6", _SECRECY, Level.MUST, Status.UNTESTABLE, "the interceptor (mitmproxy) is not there", "Intercepted traffic is unreadable.", "Le trafic intercepté est illisible."),
    ("E2E-10", _SECRECY, Level.MUST, Status.NOT_RUN, "no check of it ran", "Files are encrypted too.", "Les fichiers sont chiffrés aussi."),
    ("AV-1", _FILES, Level.MUST, Status.PASS, "", "A clean file reaches its recipients.", "Un fichier sain parvient à ses destinataires."),
    ("AV-2", _FILES, Level.MUST, Status.PASS, "", "An infected file does not.", "Un fichier infecté ne parvient à personne."),
)  # fmt: skip

_STATUS_OF_CHECK = {Status.ACCEPTED: Status.FAIL, Status.NOT_RUN: None, Status.EXCLUDED: None}


def redactor() -> Redactor:
    """The redactor of the sample's run, which knows its secrets."""
    known = Redactor()
    known.learn(PASSWORD, "password")
    known.learn(TOKEN, "token")
    return known


def sample_evidence(check: str, rule: str, status: Status, message: str = "") -> Evidence:
    """The evidence of a check: people, a story with exchanges, a mail, logs; secrets in it as servers show them."""
    here, external = "https://127.0.0.2:8448", "https://127.0.0.4:8448"
    link = f"{external}/_matrix/client/unstable/registration/email/submit_token?token=AbCdEf123&client_secret=q8w7e6&sid=x1"
    exchanges = [
        Exchange(
            at=0.04, who="Zoé Martin", method="POST", url=f"{here}/_matrix/client/v3/login", status=200, ms=34.2,
            request_headers={"Content-Type": "application/json"},
            request_body=body(f'{{"type":"m.login.password","password":{_quoted(PASSWORD)}}}'.encode()),
            response_headers={"Set-Cookie": "session=abc123def; Path=/"},
            response_body=body(f'{{"user_id":"@zoe.martin-interieur.gouv.fr:127.0.0.2:8448","access_token":"{TOKEN}"}}'),
        ),
        Exchange(
            at=0.31, who="Zoé Martin", method="POST", url=f"{here}/_matrix/client/v3/rooms/!abc:127.0.0.2:8448/invite", status=200, ms=81.0,
            request_headers={"Authorization": f"Bearer {TOKEN}"}, request_body={"medium": "email", "address": "lou@example.org"}, response_body={},
        ),
        Exchange(at=1.2, who="Lou Garnier", method="GET", url=link, status=200, ms=18.4, response_body="<html>validated</html>"),
        Exchange(
            at=1.31, who="Lou Garnier", method="POST", url=f"{external}/_matrix/client/v3/register", status=403, ms=12.9,
            request_body={"auth": {"type": "m.login.email.identity", "session": "NpQrStUvWxYz", "threepid_creds": {"sid": "x1", "client_secret": "q8w7e6"}}, "password": PASSWORD},
            response_body={"errcode": "M_THREEPID_DENIED", "error": HOSTILE},
        ),
        Exchange(at=2.5, who="Lou Garnier", method="GET", url=f"{external}/_matrix/media/v3/download/x/y", status=200, ms=44, response_body=body(bytes(range(256)) * 8)),
        Exchange(at=3.1, who="Lou Garnier", method="GET", url=f"{external}/_matrix/client/v3/sync?access_token={TOKEN}", status=None, error="the connection was closed", ms=5001),
    ]  # fmt: skip
    return Evidence(
        check=check,
        rule=rule,
        title="A guest who was invited registers",
        status=status,
        message=message,
        started=STARTED.isoformat(),
        seconds=3.42,
        people=[
            Person(name="Zoé Martin", role="agent", user_id="@zoe.martin-interieur.gouv.fr:127.0.0.2:8448", homeserver="agents-1"),
            Person(name="Lou Garnier", role="guest", homeserver="external"),
        ],
        notes=[Note(at=0.3, text="Zoé invites Lou by e-mail"), Note(at=1.1, text="Lou follows the link")],
        exchanges=exchanges,
        mails=[MailSeen(at=0.9, to="lou@example.org", sender="ne-pas-repondre@tchap.test", subject=f"Invitation {HOSTILE}", text=f"Bonjour,\nsuivez ce lien : {link}\n")],
        logs=[Log(service="external", lines=[f"WARNING - POST-12 - denied {HOSTILE}", f"DEBUG Authorization: Bearer {TOKEN}"])],
        traceback="" if status is Status.PASS else f"test_registration.py:88: AssertionError\nE  {message}",
    )  # fmt: skip


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def sample_rules(folder: Path | None = None) -> tuple[Rule, ...]:
    """The rules of the sample; their evidence is written when there is a folder for it."""
    return tuple(_rule(number, *each, folder) for number, each in enumerate(_RULES))


def _rule(
    number: int, id_: str, chapter: str, level: Level, status: Status, reason: str, en: str, fr: str, folder: Path | None
) -> Rule:
    checks: list[Check] = []
    told = _STATUS_OF_CHECK.get(status, status)
    if told is not None:
        for place in ("interieur", "finances") if number % 2 == 0 else ("interieur",):
            name = f"{id_}/holds-for[{place}]"
            message = "" if told is Status.PASS else f"{reason}\n{HOSTILE}\npassword was {PASSWORD}"
            path = None if folder is None else evidence.write(folder, sample_evidence(name, id_, told, message), redactor())
            checks.append(Check(id=name, title=f"As {place} sees it: {en[:-1].lower()}", status=told, seconds=0.4 + number / 3, message=message, evidence=path))  # fmt: skip
    proved = (f"{id_}-module-left-out",) if status is Status.PASS else ()
    return Rule(
        id=id_, chapter=chapter, level=level, statement=Statement(en=en, fr=fr), source=f"« {chapter} »",
        status=status, reason=reason, checks=tuple(checks), proved_by=proved,
    )  # fmt: skip


def sample_verdict(rules: tuple[Rule, ...] | None = None, asked: Asked | None = None, doubt: str = "") -> Verdict:
    """The verdict of the sample, or of other rules."""
    components = (("synapse", "1.163.2"), ("sydent", "2.6.1"), ("matrix-content-scanner", "1.4.1"), ("clamd", "1.4.2"), ("postgresql", "15.14"))  # fmt: skip
    return conclude(
        rules=sample_rules() if rules is None else rules,
        asked=asked or Asked(levels=(Level.MUST, Level.SHOULD)),
        deployment=Deployment(
            kind="embedded",
            name="three homeservers",
            components=tuple(Component(name=name, version=version) for name, version in components),
        ),
        profile="guide",
        started=STARTED,
        seconds=161.4,
        command="vigie check --level must,should",
        seed=4711,
        doubt=doubt,
    )


def sample_run(folder: Path) -> Verdict:
    """Write the sample's verdict and evidence into a folder."""
    verdict = sample_verdict(sample_rules(folder))
    write(verdict, folder / "verdict.json", redactor())
    return verdict
