"""Running chosen checks against a deployment that stands, in this process: it is warm after the first time."""

from __future__ import annotations

import gc
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

import conformance
from conformance.adversaries.driving import Size
from conformance.choosing import rules_of
from conformance.markers import rules_by_test
from conformance.plugin import Suite
from conformance.proving.judging import chosen
from conformance.run import check_id

__all__ = ["Result", "run_checks"]


@dataclass(frozen=True)
class Result:
    """What became of a check."""

    status: str
    message: str
    seconds: float

    def plain(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return asdict(self)


class _Chosen:
    """A pytest plugin: keeps the wanted checks, and takes their results down instead of a verdict."""

    def __init__(self, wanted: Collection[str]) -> None:
        self.wanted = wanted
        self.results: dict[str, Result] = {}
        self.problem = ""

    def pytest_configure(self, config: pytest.Config) -> None:
        """Have a failure told by its message: pytest reads the sources of every frame for a picture that nobody is shown."""
        config.option.tbstyle = "value"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is wanted."""
        items[:] = [item for item in items if any(chosen(self.wanted, check_id(rule, item.name)) for rule in rules_of(item))]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be read."""
        if report.failed:
            self.problem = str(report.longrepr)[-400:]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a result down, under the id that was asked for."""
        told = getattr(report, "vigie", None)
        if told is None:
            return
        check = told["check"]
        for rule in told["rules"]:
            name = check_id(rule, told["test"])
            if chosen(self.wanted, name):
                self.results[name] = Result(check["status"], check["message"], check["seconds"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Have the suite write no verdict: it is the proof that judges."""
        suite = session.config.pluginmanager.getplugin("vigie-suite")
        assert isinstance(suite, Suite)
        self.problem, suite.failure = suite.failure or self.problem, "the proof judges"


def run_checks(toml: Path, wanted: Collection[str], out: Path) -> dict[str, Result]:
    """Run these checks one after the other, their evidence into `out`; gives results by id.

    Raises `RuntimeError` in one line when the suite could not run or one of them is nowhere to be found.
    """
    if not wanted:
        return {}
    plugin, folder = _Chosen(wanted), Path(conformance.__file__).parent
    arguments = ["--rootdir", str(folder.parent), "-c", str(folder.parent / "pyproject.toml"), "--deployment", str(toml)]
    arguments += ["--adversary", Size.BRIEF]
    arguments += ["--out", str(out), *(f"-pno:{name}" for name in ("terminal", "cacheprovider", "randomly", "xdist"))]
    code = pytest.main([*_files(folder, wanted), *arguments], plugins=[plugin])
    # What pytest's own collecting left is there to stay: it need not be looked through again after each of some hundred jobs.
    gc.freeze()
    if plugin.problem:
        raise RuntimeError(f"the checks did not run: {' '.join(plugin.problem.split())}")
    lost = [check for check in wanted if not any(chosen([check], name) for name in plugin.results)]
    if lost:
        raise RuntimeError(f"no check gave a result for {', '.join(lost)} (pytest's exit code {int(code)})")
    return plugin.results


def _files(folder: Path, wanted: Collection[str]) -> list[str]:
    """Give the files that hold them: reading all of them takes longer than most checks."""
    names = {check.split("[")[0] for check in wanted}
    return sorted(
        {
            str(folder / file)
            for (file, test), rules in rules_by_test(folder).items()
            if any(check_id(rule, test) in names for rule in rules)
        }
    )
