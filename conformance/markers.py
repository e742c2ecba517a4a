"""Which tests observe which rules, read from their markers: nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from conformance.run import check_id

__all__ = ["LEFT_OUT", "checks_by_rule", "left_out_tests", "long_tests", "rules_by_test"]

_Function = ast.AsyncFunctionDef | ast.FunctionDef

LEFT_OUT = ("guests", "addresses")
"""Markers of tests that are left out where a deployment has no such thing: other checks tell their rules then."""


def rules_by_test(folder: Path = Path(__file__).parent) -> dict[tuple[str, str], list[str]]:
    """Give the rules of each test, by file and function name, in the order of the files."""
    return {(file, node.name): rules for file, node in _functions(folder) if (rules := _rules(node))}


def long_tests() -> frozenset[tuple[str, str]]:
    """Give the tests that are marked `long`, by file and function name."""
    return _marked("pytest.mark.long")


def left_out_tests() -> frozenset[tuple[str, str]]:
    """Give the tests that some deployments leave out, by file and function name."""
    return frozenset().union(*(_marked(f"pytest.mark.{mark}") for mark in LEFT_OUT))


@cache
def _marked(mark: str) -> frozenset[tuple[str, str]]:
    functions = _functions(Path(__file__).parent)
    return frozenset((file, node.name) for file, node in functions if mark in map(ast.unparse, node.decorator_list))


def _functions(folder: Path) -> Iterator[tuple[str, _Function]]:
    for file in sorted(folder.glob("test_*.py")):
        for node in _functions_in(file, file.stat().st_mtime_ns):
            yield file.name, node


@cache
def _functions_in(file: Path, _changed: int) -> tuple[_Function, ...]:
    """Read a file's functions once for as long as it stays: a proof asks for them several times a fault."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return tuple(node for node in body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef))


def checks_by_rule(folder: Path = Path(__file__).parent) -> dict[str, list[str]]:
    """Give the checks of each rule, as the tests' markers name them."""
    found: dict[str, list[str]] = {}
    for (_file, test), rules in rules_by_test(folder).items():
        for rule in rules:
            found.setdefault(rule, []).append(check_id(rule, test))
    return found


def _rules(node: ast.AsyncFunctionDef | ast.FunctionDef) -> list[str]:
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.rule"]
    return [str(ast.literal_eval(argument)) for mark in marks for argument in mark.args]
