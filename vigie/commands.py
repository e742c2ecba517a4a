"""What each command does, over the rooms of the house."""

from __future__ import annotations

import os
import secrets
import signal
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.mark.expression import Expression
from rich.console import Console
from rich.table import Table
from rich.text import Text

import conformance
from conformance.catalogue import Catalogue, Rule, UnknownRule, load
from conformance.deploying import read_images, read_overlays
from conformance.markers import checks_by_rule
from conformance.rules_listing import render_rules
from conformance.visiting import announcement
from fixtures import embedded
from fixtures.allowance import require
from fixtures.deployment import Deployment
from fixtures.embedded import Embedded
from fixtures.errors import SetupError
from fixtures.preflight import ensure_answers
from fixtures.stack import Plan
from reports import make
from reports import proof as proof_report
from reports.redaction import Redactor
from reports.verdict import Level, Outcome, Status, Verdict, exit_code, read, write
from vigie.examples import make_examples
from vigie.outlook import Outlook
from vigie.progress import COLOURS, CheckProgress, StartProgress

if TYPE_CHECKING:
    from conformance.plugin import Suite

__all__ = ["WrongUse", "check", "down", "report", "rules", "up"]

PROJECT = Path(__file__).parent.parent


class WrongUse(Exception):
    """The command was given something it cannot use; the message is one line."""


def _catalogue(patterns: list[str]) -> tuple[Catalogue, list[Rule]]:
    catalogue = load()
    try:
        return catalogue, catalogue.select(patterns)
    except UnknownRule as error:
        raise WrongUse(str(error)) from None


def rules(options: Namespace, console: Console) -> int:
    """List the charter."""
    catalogue, wanted = _catalogue(options.pattern)
    console.file.write(render_rules(catalogue, checks_by_rule(), as_json=options.json, only=wanted))
    return 0


def _plan(options: Namespace) -> Plan:
    return Plan(database=options.database, overlays=read_overlays(options.overlay))


def up(options: Namespace, console: Console) -> int:
    """Start a deployment; it stays until `vigie down`."""
    if options.images and not options.containers:
        raise WrongUse("--images goes with --containers")
    if options.name in (path.parent.name for path in embedded.kept(embedded.home())):
        raise WrongUse(f"the deployment {options.name!r} runs already: vigie down {options.name}, or another --name")
    running = None
    try:
        with StartProgress(console) as shown:
            running = Embedded.start(
                _plan(options),
                name=options.name,
                bound=options.foreground,
                base_port=options.ports,
                images=read_images(options.images) if options.containers else None,
                progress=shown.progress,
                announce=shown.announce,
            )
        accounts = make_examples(running.deployment, running.launcher.folder)
        if options.write:
            running.deployment.write(options.write)
        _tell(console, running.deployment, running.toml, accounts)
        if options.foreground:
            console.print("Ctrl-C ends it", highlight=False)
            signal.pause()
    except BaseException:
        if running:
            running.stop()
        raise
    return 0


def _tell(console: Console, deployment: Deployment, toml: Path, accounts: list[tuple[str, str, str]]) -> None:
    places = Table(title="Addresses", title_justify="left")
    for column in ("what", "address", "people"):
        places.add_column(column)
    for homeserver in deployment.homeservers:
        people = ", ".join(homeserver.domains) or "guests"
        places.add_row(f"homeserver {homeserver.name}", homeserver.url, people)
    if deployment.identity:
        places.add_row("identity server", deployment.identity.url, "")
    if deployment.mail:
        places.add_row("mail", f"{deployment.mail.url}/api/v1/messages", "everybody's")
    console.print(places)
    people_table = Table(title="Example accounts", title_justify="left")
    for column in ("account", "e-mail address", "password"):
        people_table.add_column(column)
    for row in accounts:
        people_table.add_row(*row)
    console.print(people_table)
    console.print(f"certificate authority: {deployment.ca}", highlight=False)
    console.print(f"deployment: {toml}", highlight=False)
    console.print(f"check it:   vigie check --deployment {toml}", highlight=False)
    console.print(f"end it:     vigie down {deployment.name}", highlight=False)


def down(options: Namespace, console: Console) -> int:
    """End deployments, and what killed runs left."""
    if options.name == "":
        # A script's variable that is not set must not end everything.
        raise WrongUse("'' names no deployment; without a name all of this checkout are ended")
    stay: list[str] = []
    ended = embedded.down(embedded.home(), options.name or "", stay.append)
    if options.name and not ended and not stay:
        raise WrongUse(f"no deployment {options.name!r} here")
    if ended or not stay:
        console.print("ended: " + ", ".join(ended) if ended else "nothing was running", highlight=False)
    if stay:
        raise SetupError("; ".join(stay))
    return 0


class _Shown:
    """A pytest plugin: progress on the console instead of pytest's own lines."""

    def __init__(self, console: Console, workers: int) -> None:
        self.console, self.checks = console, CheckProgress(console, Outlook(workers))
        self.suite: Suite | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Take hold of the suite before anything starts."""
        # Here, where pytest has loaded it: it brings clients and Hypothesis, which no other command needs.
        from conformance.plugin import Suite  # noqa: PLC0415

        suite = session.config.pluginmanager.getplugin("vigie-suite")
        assert isinstance(suite, Suite)
        self.suite, suite.host_tells = suite, True
        suite.run.on_result = self.checks.result
        suite.tell = lambda line: self.console.print(Text(line), soft_wrap=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many checks there are, where this process collects them."""
        self.checks.expect([item.nodeid for item in session.items])

    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        """Learn how many checks there are from a worker."""
        del node
        self.checks.expect(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Tell what could not be collected."""
        if report.failed:
            self.console.print(Text(str(report.longrepr)[-600:], style="red"), highlight=False)


def check(options: Namespace, console: Console) -> int:
    """Check the rules asked for."""
    _catalogue(options.rule)
    _ensure_sense(options)
    with ExitStack() as standing:
        toml = _deployment(options, console, standing)
        arguments = [str(Path(conformance.__file__).parent), "--rootdir", str(PROJECT), "-c", str(PROJECT / "pyproject.toml")]
        arguments += ["--deployment", str(toml), "--level", options.level, "--profile", options.profile]
        arguments += [word for rule in options.rule for word in ("--rule", rule)]
        if options.deployment in ("embedded", "containers"):
            arguments += ["--breakable", "own", "--database", options.database]
            arguments += ["--images", str(options.images)] if options.images else []
            arguments += [word for overlay in options.overlay for word in ("--overlay", overlay)]
        if options.out:
            arguments += ["--out", str(options.out.resolve())]
        if options.proof:
            arguments += ["--proof", str(options.proof.resolve())]
        seed = secrets.randbits(32) if options.seed is None else options.seed
        arguments += ["--run-seed", str(seed), f"--randomly-seed={seed}", "--adversary", options.adversary]
        # Its own deployment has nobody yet; the TOML file that the suite is given does not tell.
        people = "" if options.people is None and options.deployment in ("embedded", "containers") else options.people
        arguments += [] if people is None else [f"--people={people}"]
        if options.keyword:
            arguments += ["-k", options.keyword]
        arguments += ["-n", str(options.workers), "--dist", "loadgroup"] if options.workers > 1 else []
        # pytest captures what is written to standard output: the progress goes to a copy of it, made before.
        with os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1) as out:
            return _run(console, _Shown(Console(file=out, soft_wrap=True), options.workers), arguments)


def _ensure_sense(options: Namespace) -> None:
    """Raise `WrongUse` for what would be passed over, and for a folder that cannot be, before anything starts."""
    if options.proof:
        proof_report.read(options.proof)
    if options.keyword:
        try:
            Expression.compile(options.keyword)
        except SyntaxError as error:
            raise WrongUse(f"-k {options.keyword!r}: {error.msg}; write words with and, or, not and brackets") from None
    if options.images and options.deployment != "containers":
        raise WrongUse("--images goes with --deployment containers")
    if options.deployment not in ("embedded", "containers"):
        for given, name in ((options.overlay, "--overlay"), (options.database != "postgresql", "--database")):
            if given:
                raise WrongUse(f"{name} is for a deployment that this starts, {options.deployment} runs already")
    if options.out:
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WrongUse(f"--out {options.out}: cannot be made: {error.strerror or error}; name another folder") from None


def _deployment(options: Namespace, console: Console, standing: ExitStack) -> Path:
    """Give the TOML of the deployment to check: one of its own, started for as long as the run lasts, or the one named."""
    if options.deployment not in ("embedded", "containers"):
        named = Deployment.read(Path(options.deployment))
        if options.adversary != "quick":
            require(named, "hostile", f"--adversary {options.adversary}")
        ensure_answers(named)
        for line in announcement(named):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        _forget_earlier(options)
        return Path(options.deployment).resolve()
    images = read_images(options.images) if options.deployment == "containers" else None
    plan = _plan(options)
    _forget_earlier(options)
    with StartProgress(console) as shown:
        own = Embedded.start(plan, images=images, progress=shown.progress, announce=shown.announce)
        # At once: whoever interrupts while it is told that all is ready ends it as well.
        return standing.enter_context(own).toml


def _forget_earlier(options: Namespace) -> None:
    """Leave nothing of an earlier run in the folder, now that this one begins: killed, it would pass for that one."""
    if options.out:
        make.forget_verdict(options.out)


def _run(console: Console, shown: _Shown, arguments: list[str]) -> int:
    try:
        code = int(pytest.main([*arguments, "-p", "no:terminal", "-p", "no:cacheprovider"], plugins=[shown]))
    finally:
        # However pytest came to its end: where a plugin failed in its last hook, the suite's was not asked.
        if shown.suite is not None:
            shown.suite.depart()
    return _conclude(console, shown, code)


def _conclude(console: Console, shown: _Shown, code: int) -> int:
    suite = shown.suite
    if suite is None or suite.failure or suite.outcome is None:
        raise WrongUse(suite.failure if suite and suite.failure else f"the suite did not run (pytest's exit code {code})")
    verdict = read(suite.out / "verdict.json")
    _summarise(console, verdict)
    console.print(f"page: {suite.page}", highlight=False, soft_wrap=True)
    # What this run found, whoever else may have written there.
    return exit_code(suite.outcome)


_WORDS = {
    Outcome.HOLDS: ("HOLDS", "bold green"),
    Outcome.DOES_NOT_HOLD: ("DOES NOT HOLD", "bold red"),
    Outcome.CANNOT_TELL: ("CANNOT TELL", "bold yellow"),
}


def _summarise(console: Console, verdict: Verdict) -> None:
    table = Table(box=None, padding=(0, 1))
    table.add_column("chapter")
    for status in Status:
        table.add_column(str(status), justify="right", style=COLOURS[status])
    for chapter in dict.fromkeys(rule.chapter for rule in verdict.rules):
        told = [rule.status for rule in verdict.rules if rule.chapter == chapter]
        table.add_row(chapter, *(str(told.count(status) or "") for status in Status))
    console.print(table)
    for rule in verdict.rules:
        if verdict.asked.covers(rule) and rule.status in (Status.FAIL, Status.ERROR, Status.UNTESTABLE):
            console.print(Text(f"{rule.id} {rule.status}: {rule.reason}", style=COLOURS[rule.status]), soft_wrap=True)
    word, style = _WORDS[verdict.outcome]
    levels = ", ".join(verdict.asked.levels) if len(verdict.asked.levels) < len(Level) else "all levels"
    people = f", people {verdict.people}" if verdict.people else ""
    line = Text(word, style=style)
    line.append(f"  ({levels}; {verdict.seconds:.0f} s; seed {verdict.seed}{people})", style="default")
    if verdict.doubt:
        line.append(f"  {verdict.doubt}", style="yellow")
    console.print(line)


def report(options: Namespace, console: Console) -> int:
    """Make everything that is told again."""
    if options.proof:
        told = proof_report.with_proof(read(options.folder / "verdict.json"), proof_report.read(options.proof))
        write(told, options.folder / "verdict.json", Redactor())
    console.print(str(make.make_all(options.folder)), highlight=False, soft_wrap=True)
    return 0
