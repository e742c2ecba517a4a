"""Which tests observe which rules, read from their markers: nothing is imported or run."""

from __future__ import annotations

import ast
from pathlib import Path

from conformance.run import check_id

__all__ = ["checks_by_rule"]


def checks_by_rule(folder: Path = Path(__file__).parent) -> dict[str, list[str]]:
    """Give the checks of each rule, as the tests' markers name them."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                for rule in _rules(node):
                    found.setdefault(rule, []).append(check_id(rule, node.name))
    return found


def _rules(node: ast.AsyncFunctionDef | ast.FunctionDef) -> list[str]:
    calls = [each for each in node.decorator_list if isinstance(each, ast.Call)]
    marks = [call for call in calls if ast.unparse(call.func) == "pytest.mark.rule"]
    return [str(ast.literal_eval(argument)) for mark in marks for argument in mark.args]
