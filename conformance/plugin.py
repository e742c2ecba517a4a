"""The pytest plugin: ``pytest conformance`` is the suite, with a deployment, evidence and a verdict.

Options: ``--deployment``, ``--rule``, ``--level``, ``--out``. A test names what it observes by ``@pytest.mark.rule("REG-1")``.
With pytest-xdist the controller starts the deployment and judges; workers run checks and write their evidence.
"""

from __future__ import annotations

import logging
import secrets
import shlex
import traceback
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conformance import profiles
from conformance.adversaries.driving import Size
from conformance.breaking import breakable, fragile, killed
from conformance.catalogue import UnknownRule, load
from conformance.choosing import Choosing, rules_of
from conformance.deploying import Deploying
from conformance.fingerprint import fingerprint
from conformance.options import MARKERS, pytest_addoption
from conformance.outcome import status_of
from conformance.recorder import Recorder
from conformance.run import Run, check_id
from conformance.stage import SETUP_FAILED, _allowed, _cast, adversary, deployment
from conformance.visiting import Visit
from fixtures.deployment import Deployment
from fixtures.errors import FixtureError
from fixtures.population import Population
from reports import evidence as evidence_report
from reports.files import ReportError
from reports.verdict import Check, Level, Status, exit_code

RECORDER: pytest.StashKey[Recorder] = pytest.StashKey()
ERROR: pytest.StashKey[BaseException | None] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and check what was asked before anything starts."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    logging.getLogger("nio").setLevel(logging.CRITICAL)
    try:
        levels = [Level(each.strip()) for each in config.getoption("--level").split(",") if each.strip()]
    except ValueError as error:
        raise pytest.UsageError(f"--level: {error}; levels are must, should, derived") from None
    try:
        load().select(config.getoption("--rule"), levels)
    except UnknownRule as error:
        raise pytest.UsageError(f"--rule: {error}") from None
    try:
        profiles.read(config.getoption("--profile"), load())
    except profiles.ProfileError as error:
        raise pytest.UsageError(f"--profile: {error}") from None
    workerinput = getattr(config, "workerinput", None)
    suite = Suite(config, levels, workerinput)
    config.pluginmanager.register(suite.choosing, "vigie-choosing")
    config.pluginmanager.register(suite, "vigie-suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep checks that break parts on one worker."""
    from conformance.scheduling import Scheduling  # noqa: PLC0415 -- pytest-xdist may be left out (`-p no:xdist`)

    return Scheduling(config, log) if config.getoption("dist") == "loadgroup" else None


class Suite:
    """What one process of a run knows: the deployment, the folder, the seed, and the run where it judges."""

    def __init__(self, config: pytest.Config, levels: list[Level], workerinput: dict[str, Any] | None) -> None:
        """Take what was asked."""
        self.config, self.levels, self.workerinput = config, levels, workerinput
        told = workerinput or {}
        self.worker = told.get("workerid", "main")
        self.seed = int(told.get("vigie_seed") or config.getoption("--run-seed") or secrets.randbits(32))
        self.size = Size(config.getoption("--adversary"))
        # A deployment that stood before may have had the people of this seed already.
        fresh = config.getoption("--deployment") in ("embedded", "containers")
        people = told.get("vigie_people", config.getoption("--people"))
        self.people: str = people if people is not None else "" if fresh else secrets.token_hex(4)
        self.secret = secrets.token_hex(16)
        stamp = datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
        # Two runs may begin in the same second, and neither is to read what the other wrote.
        default = config.rootpath / "reports" / "runs" / f"{stamp}-{secrets.token_hex(2)}"
        self.out = Path(told.get("vigie_out") or config.getoption("--out") or default)
        self.deploying = Deploying(config, told.get("vigie_deployment", ""))
        self.catalogue = load()
        self.run = Run(
            catalogue=self.catalogue,
            out=self.out,
            rules=config.getoption("--rule"),
            levels=levels,
            profile=profiles.read(config.getoption("--profile"), self.catalogue),
            selection=config.getoption("keyword", "") or "",
            seed=self.seed,
            people=self.people,
            adversary=self.size,
            suite=fingerprint(),
            command=shlex.join(["pytest", *config.invocation_params.args]),
            proof=_proof(config),
        )
        self.failure = ""
        # Whether whoever has pytest run tells the failure.
        self.host_tells = False
        self.choosing = Choosing(config, self.run, self.deploying, judges=workerinput is None)
        self.visit: Visit | None = None
        self.tell: Callable[[str], None] = lambda _line: None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist the deployment, started at the first, the run's folder and the seed."""
        try:
            node.workerinput["vigie_deployment"] = str(self.deploying.toml())
            self.arrive(self.deploying.get())
        except FixtureError as error:
            self.failure = str(error)
            if self.host_tells:
                # pytest would write the reason, too: no check has begun.
                raise KeyboardInterrupt from None
            pytest.exit(f"vigie: {error}", returncode=SETUP_FAILED)
        node.workerinput["vigie_journal"] = str(self.visit.made.path) if self.visit else ""
        node.workerinput["vigie_out"] = str(self.out)
        node.workerinput["vigie_seed"] = str(self.seed)
        node.workerinput["vigie_people"] = self.people

    def population(self, item: pytest.Item) -> Population:
        """Give the people of one check: the same for a seed whichever worker runs it, and whatever ran before."""
        mark = self.visit.mark if self.visit else ""
        return Population(str(self.seed), f"{self.people}/{item.nodeid}", self.secret, mark)

    def arrive(self, deployment: Deployment) -> None:
        """Begin the visit to a deployment that is somebody else's, once. Raises `FixtureError` where it cannot be noted."""
        if self.visit is None:
            told = self.workerinput or {}
            journal = Path(told["vigie_journal"]) if told.get("vigie_journal") else None
            self.visit = Visit.begin(deployment, int(told.get("workercount", 1)), journal)

    def depart(self) -> None:
        """End the visit; whatever stays there keeps the run from being green."""
        visit, self.visit = self.visit, None
        if visit is not None and self.workerinput is None and (stays := visit.end(self.tell)):
            self.run.incident(stays)

    # Running

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin the evidence of a check."""
        rules = rules_of(item)
        if rules:
            doc = (getattr(item, "obj", None).__doc__ or "").strip().splitlines()
            item.stash[RECORDER] = Recorder(check_id(rules[0], item.name), rules[0], doc[0] if doc else "")
            item.stash[ERROR] = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, bool | None, bool | None]:
        """End what is there to be broken after the last check that breaks parts: it would run beside all others for nothing."""
        done = yield
        items = item.session.items
        # A worker has those one after the other; a process alone has them in any order.
        later = [nextitem] if self.workerinput is not None else items[items.index(item) + 1 :]
        if _breaks(item) and not any(each is not None and _breaks(each) for each in later):
            self.deploying.end_breakable()
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Judge a check at its end, write its evidence, and hand the result to whoever judges the run."""
        report = yield
        rules = rules_of(item)
        if not rules:
            return report
        if call.excinfo is not None and item.stash[ERROR] is None:
            item.stash[ERROR] = call.excinfo.value
        if report.skipped:
            item.stash[ERROR] = RuntimeError(f"a check may not be skipped: {report.longrepr}")
        if call.when == "teardown":
            check = self._judge(item)
            report.__dict__["vigie"] = {"rules": rules, "test": item.name, "check": check.model_dump(mode="json")}
        return report

    def recorder_of(self, item: pytest.Item) -> Recorder:
        """Give the recorder of a check; a test of the project itself gets one whose evidence nobody keeps."""
        return item.stash.get(RECORDER, None) or Recorder("own/test", "own", "")

    def _judge(self, item: pytest.Item) -> Check:
        recorder, error = item.stash[RECORDER], item.stash[ERROR]
        status, message = status_of(error), "" if error is None else f"{error}" or type(error).__name__
        gone = self.deploying.dead() if error is not None else []
        if gone:
            status, message = Status.ERROR, f"{', '.join(gone)} died during the run; {message}"
        elif status is Status.ERROR and error is not None:
            message = f"{type(error).__name__}: {message}"
        message = recorder.redactor.text(message)[:2_000]
        told = "".join(traceback.format_exception(error)) if error is not None else ""
        evidence = recorder.evidence(status, message, told)
        where = evidence_report.write(self.out, evidence, recorder.redactor)
        return Check(
            id=recorder.check,
            status=status,
            seconds=evidence.seconds,
            message=message,
            evidence=where,
            title=recorder.title,
        )

    # Judging

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result; workers leave that to the controller."""
        told = getattr(report, "vigie", None)
        if told is not None and self.workerinput is None:
            self.choosing.expected.discard(report.nodeid)
            self.run.add(told["rules"], told["test"], Check.model_validate(told["check"]))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file whose checks could not even be read: its rules must not pass on what other files hold."""
        if report.failed and self.workerinput is None:
            self.run.incident(f"{report.nodeid} could not be collected")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the verdict, end the deployment, and exit by the outcome."""
        if self.workerinput is not None:
            self.deploying.end_breakable()
            return
        if session.config.getoption("collectonly"):
            return
        try:
            self.depart()
            # Tests of the project itself have no rules: pytest's own exit code is theirs.
            if not self.failure and (self.run.results or self._asked_here(session)):
                self._finish(session, exitstatus)
        finally:
            self.deploying.stop()

    def _asked_here(self, session: pytest.Session) -> bool:
        conformance = Path(__file__).parent
        paths = [Path(argument.split("::")[0]).resolve() for argument in session.config.args]
        return exitstatus_allows(session) and any(path == conformance or conformance in path.parents for path in paths)

    def _finish(self, session: pytest.Session, exitstatus: int) -> None:
        for gone in self.deploying.dead():
            self.run.incident(f"{gone} died during the run")
        if lost := self.choosing.expected:
            # A worker that crashed takes its check with it, and the rule's other checks would pass alone.
            some = ", ".join(sorted(node.split("::")[-1] for node in lost)[:3])
            self.run.incident(f"{len(lost)} checks were chosen and gave no result, among them {some}")
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self.run.incident("the run was interrupted")
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self.run.incident("pytest had an internal error")
        self.run.deployment = self.deploying.deployment
        try:
            outcome, self.page = self.run.finish()
            self.outcome = outcome
            session.exitstatus = exit_code(outcome)
        except ReportError as error:
            self.failure = str(error)
            session.exitstatus = SETUP_FAILED
        _link_latest(session.config.rootpath, self.out)

    outcome: Any = None
    page: Path | None = None

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say the outcome and where the page is."""
        if self.failure:
            terminalreporter.write_line(f"vigie: {self.failure}", red=True)
        if self.outcome is not None:
            terminalreporter.write_line(f"vigie: {self.outcome}; {self.page}")


def exitstatus_allows(session: pytest.Session) -> bool:
    """Tell whether collection went well enough for a verdict."""
    return session.exitstatus not in (pytest.ExitCode.USAGE_ERROR,)


def _link_latest(root: Path, out: Path) -> None:
    if out.parent == root / "reports" / "runs":
        scratch = root / "reports" / f".latest-{secrets.token_hex(4)}"
        scratch.symlink_to(out.relative_to(root / "reports"))
        scratch.replace(root / "reports" / "latest")


def _proof(config: pytest.Config) -> Path | None:
    """Give the proof to tell of: the one named, else the latest of this checkout."""
    named = config.getoption("--proof")
    latest = config.rootpath / "reports" / "latest-proof" / "proof.json"
    return Path(named) if named else latest if latest.exists() else None


def _breaks(item: pytest.Item) -> bool:
    return item.get_closest_marker("breaking") is not None


__all__ = ["Suite", "_allowed", "_cast", "adversary", "breakable", "deployment", "fragile", "killed", "pytest_addoption"]
