"""What docstrings and comments name exists, and none explains a function by that function itself."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)
# Names of the libraries that nothing here uses, and that are told of for that reason.
OF_LIBRARIES = {"auto_now"}

_NAMED = re.compile(r"`([A-Za-z_][\w.]*)(?:\(\))?`")
_AS = re.compile(r"\bAs `(\w+)`")


@lru_cache
def sources() -> dict[str, ast.Module]:
    found = (path for package in (*PACKAGES, "tests") for path in sorted((ROOT / package).rglob("*.py")))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in found}


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """The docstrings, and the strings that stand below a constant or a field to say what it is."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(node, DOCUMENTED) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def comments(name: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO((ROOT / name).read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def words_of(tree: ast.Module) -> Iterator[str]:
    """What a module names, and the words in its strings: columns, keys of JSON, parameters of SQL."""
    said = {id(text) for text in texts(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg | ast.keyword):
            yield node.arg or ""
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield from re.findall(r"\w+", node.value)


def on_the_wire(name: str) -> str:
    """`due_after` as clients write it, `dueAfter`."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


@lru_cache
def known_words() -> frozenset[str]:
    words = {word for tree in sources().values() for word in words_of(tree)}
    for template in (ROOT / "templates").rglob("*.*"):
        words |= set(re.findall(r"\w+", template.read_text()))
    words |= {part for name in sources() for part in name.removesuffix(".py").split("/")}
    return frozenset(words | {on_the_wire(word) for word in words} | OF_LIBRARIES)


def unknown(text: str) -> list[str]:
    """The names in `text` of which a part is nowhere in the code."""
    found = [name for name in _NAMED.findall(text) if not name.endswith((".py", ".md", ".toml", ".html"))]
    return [name for name in found if any(part and part not in known_words() for part in name.split("."))]


@pytest.mark.parametrize("package", PACKAGES)
def test_what_docstrings_and_comments_name_exists(package: str):
    gone = [
        f"{name}: {word}"
        for name, tree in sources().items()
        if name.startswith(f"{package}/") and "/migrations/" not in name
        for text in (*(str(said.value) for said in texts(tree)), *comments(name))
        for word in unknown(text)
    ]

    assert gone == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_is_explained_by_itself(package: str):
    functions = [
        (name, node)
        for name, tree in sources().items()
        if name.startswith(f"{package}/")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    circular = [
        f"{name}: {node.name}" for name, node in functions if node.name in _AS.findall(ast.get_docstring(node) or "")
    ]

    assert functions
    assert circular == []


def test_a_name_that_is_gone_is_found():
    assert unknown("As `cancel_subscription`, when `timing` says; `dueAfter` of `core.money.round_money`.") == []
    assert unknown("As `set_addon" + "_quantities`, of `core.money.round" + "_moneys()`.") == [
        "set_addon" + "_quantities",
        "core.money.round" + "_moneys",
    ]
    assert _AS.findall("As `cancel_subscription`, when `timing` says") == ["cancel_subscription"]
