"""What each check needs of a deployment, read from the source: nothing is imported or run.

A check needs what it names and what the functions that it calls name, among the project's acts, journeys and checks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from conformance.applicable import HOMES, is_elsewhere
from conformance.markers import left_out_tests, rules_by_test
from scenarios.visit.reading import only_reads
from scenarios.wire import Request

__all__ = ["PARTS", "needs_by_rule"]

PARTS = (
    *("accounts", "load", "hostile", "faults"),
    *("second agents", "externals", "administrator", "identity", "mail", "scanner", "infected", "storage"),
    *("hold", "throttles", "link lifetime"),
)
"""What a check can need: abilities that `allow` names, and parts of the deployment."""

_HERE = Path(__file__).parent
_FOLDERS = (_HERE, _HERE / "checks", _HERE.parent / "scenarios")
# An attribute of this name, wherever it is read, says that the part is used.
_BY_ATTRIBUTE = {
    "mailbox": "mail",
    "guest": "externals",
    "outsider": "externals",
    "abroad": "externals",
    "external": "externals",
    "infected": "infected",
    "storage": "storage",
    "administrator": "administrator",
    "throttles": "throttles",
    "link_lifetime_s": "link lifetime",
    "identity": "identity",
    "agent": "accounts",
    "agents": "accounts",
    "device": "accounts",
    "devices": "accounts",
}
_BY_FIXTURE = {"fragile": ("accounts", "faults", "hold"), "adversary": ("accounts", "hostile")}
# Functions that take hold of a part of the deployment on this machine.
_BY_NAME = {"powers_over": "hold", "learnt": "hold"}
_WHO_LIVES_THERE = {"agent", "agents", "newcomer", "home"}
_WRITING = {"post": "POST", "put": "PUT", "delete": "DELETE"}
_SCANNING = {"scan", "download", "scan_encrypted", "download_encrypted", "for_scanner"}

_FOR_GUESTS = {f"{name} < 0" for name in HOMES}

Key = tuple[str, str]


@cache
def needs_by_rule() -> dict[str, frozenset[str]]:
    """Give what the checks of each rule need together: a rule is told only when all its checks are.

    Those that are left out where there are no guests, or no identity server, are not among them.
    """
    functions = dict(_functions())
    found: dict[str, frozenset[str]] = {}
    for (file, test), rules in rules_by_test().items():
        if (file, test) in left_out_tests():
            continue
        needs = _closure((Path(file).stem, test), functions, set())
        for rule in rules:
            found[rule] = found.get(rule, frozenset()) | needs
    return found


def _closure(key: Key, functions: dict[Key, tuple[frozenset[str], frozenset[Key]]], seen: set[Key]) -> frozenset[str]:
    if key in seen or key not in functions:
        return frozenset()
    seen.add(key)
    needs, called = functions[key]
    return needs.union(*(_closure(each, functions, seen) for each in called))


def _functions() -> Iterator[tuple[Key, tuple[frozenset[str], frozenset[Key]]]]:
    for folder in _FOLDERS:
        for file in sorted(folder.glob("*.py")):
            if file.stem in ("cast", "extras", "plugin", "clearing", "needs"):
                continue
            module = ast.parse(file.read_text(encoding="utf-8"))
            imported = _imports(module)
            everywhere = frozenset(_marked(module.body))
            for node in module.body:
                if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                    needs = frozenset(_direct(node)) | (everywhere if node.name.startswith("test_") else frozenset())
                    yield (file.stem, node.name), (needs, frozenset(_called(node, file.stem, imported)))


def _imports(module: ast.Module) -> dict[str, Key]:
    """Give what each imported name stands for; a module's functions are looked up when they are called."""
    found: dict[str, Key] = {}
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                found[alias.asname or alias.name] = (node.module.rpartition(".")[2], alias.name)
    return found


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk as `ast.walk` does, past what is done for guests alone: ``GUEST if home < 0 else AGENT``."""
    yield node
    for each in ast.iter_child_nodes(node):
        if isinstance(node, ast.IfExp) and each is node.body and ast.unparse(node.test) in _FOR_GUESTS:
            continue
        yield from _walk(each)


def _called(node: ast.AST, here: str, imported: dict[str, Key]) -> Iterator[Key]:
    for each in _walk(node):
        if isinstance(each, ast.Name):
            yield imported.get(each.id, (here, each.id))
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in imported:
            yield (imported[each.value.id][1], each.attr)


def _marked(body: list[ast.stmt]) -> Iterator[str]:
    """Give what a file's `pytestmark` says that all its checks need."""
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(each, ast.Name) and each.id == "pytestmark" for each in node.targets
        ):
            yield from _declared(node.value)


def _declared(node: ast.AST) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.needs":
            yield from (str(ast.literal_eval(argument)) for argument in call.args)
        elif isinstance(call, ast.Attribute) and ast.unparse(call) == "pytest.mark.unpaced":
            yield "hostile"


def _direct(node: ast.AsyncFunctionDef | ast.FunctionDef) -> Iterator[str]:
    abroad = set()
    for decorator in node.decorator_list:
        yield from _declared(decorator)
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parametrize":
            abroad |= _elsewhere(decorator)
    for argument in node.args.args:
        yield from _BY_FIXTURE.get(argument.arg, ())
    for each in _walk(node):
        if isinstance(each, ast.Attribute):
            if each.attr in _BY_ATTRIBUTE and _is_the_deployments(each):
                yield _BY_ATTRIBUTE[each.attr]
            if each.attr in _SCANNING and ast.unparse(each.value) == "files":
                yield "scanner"
        elif isinstance(each, ast.Name) and each.id in _BY_NAME:
            yield _BY_NAME[each.id]
        elif isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
            if each.func.attr in _WHO_LIVES_THERE and any(_is_second(argument, abroad) for argument in each.args):
                yield "second agents"
            if _writes(each, each.func.attr):
                yield "accounts"


def _elsewhere(decorator: ast.Call) -> set[str]:
    """Give the parameters that are a second homeserver in every variant: variants for one that is not there are left out."""
    try:
        names, rows = ast.literal_eval(decorator.args[0]), ast.literal_eval(decorator.args[1])
    except ValueError:
        return set()
    titles = [names] if isinstance(names, str) else list(names)
    chosen = [dict(zip(titles, row if isinstance(row, tuple) else (row,), strict=False)) for row in rows]
    return set(titles) & HOMES if all(is_elsewhere(row, 1) for row in chosen) else set()


def _is_the_deployments(node: ast.Attribute) -> bool:
    """Tell a part of the deployment from a person's or module's attribute of the same name."""
    return node.attr != "identity" or ast.unparse(node.value).endswith("deployment")


def _is_second(argument: ast.expr, abroad: set[str]) -> bool:
    if isinstance(argument, ast.Constant):
        return isinstance(argument.value, int) and argument.value >= 1
    if isinstance(argument, ast.Name):
        return argument.id in abroad
    return isinstance(argument, ast.BinOp)


def _writes(call: ast.Call, name: str) -> bool:
    """Tell whether a session's method is called that does more than read."""
    method = _WRITING.get(name)
    arguments = list(call.args)
    if name == "send" and len(arguments) > 1 and isinstance(arguments[0], ast.Constant):
        method, arguments = str(arguments[0].value), arguments[1:]
    if method is None or not arguments:
        return False
    where = arguments[0]
    if not isinstance(where, ast.Constant) or not isinstance(where.value, str):
        return method in _WRITING.values()
    path = where.value if where.value.startswith("/_") else f"/_matrix/client/v3{where.value}"
    return not only_reads(Request(method, path))
