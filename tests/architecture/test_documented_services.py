"""Each public function below the pages and endpoints says what it does, and names the errors that it raises itself."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "customers", "entitlements", "subscriptions", "invoicing")
# Their classes say it: methods of the frameworks, and declarations.
NO_SERVICES = {"admin", "api", "management", "migrations", "models", "rest"}
# A defect of ours, not something that a caller could expect.
NOT_EXPECTED = {"AssertionError"}
# What makes an error rather than being one.
MAKERS = {"field_error": "InvalidInput"}
AS_ANOTHER = ("raises as `", "Raises as `")


def raised(node: ast.AST) -> Iterator[str]:
    """The errors that leave a function: what a `try` around them catches does not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Raise) and child.exc is not None:
            error = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            name = ast.unparse(error).rpartition(".")[2]
            yield MAKERS.get(name, name)
        elif isinstance(child, ast.Try) and child.handlers:
            for part in (*child.handlers, *child.orelse, *child.finalbody):
                yield from raised(part)
        else:
            yield from raised(child)


def lacks(source: str) -> Iterator[str]:
    module = ast.parse(source)
    for node in module.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        said = ast.get_docstring(node)
        if said is None:
            yield f"{node.name}: says nothing"
            continue
        if any(words in said for words in AS_ANOTHER):
            continue
        said += ast.get_docstring(module) or ""
        errors = {name for name in raised(node) if name[0].isupper()} - NOT_EXPECTED
        yield from sorted(f"{node.name}: raises {name}" for name in errors if name not in said)


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_function_says_what_it_does_and_raises(package: str):
    services = [
        path for path in sorted((ROOT / package).rglob("*.py")) if not NO_SERVICES & set(path.relative_to(ROOT).parts)
    ]
    found = {str(path.relative_to(ROOT)): list(lacks(path.read_text())) for path in services}

    assert len(found) > 10
    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", ["act: says nothing"]),
        ("'''Acts.'''\n    raise errors.Refused('no')", ["act: raises Refused"]),
        ("'''Acts. InvalidInput for nonsense.'''\n    raise field_error('a', 'b', 'c')", []),
        ("'''Acts; raises as `other`.'''\n    raise Refused('no')", []),
        ("'''Acts.'''\n    try:\n        raise Refused('no')\n    except Refused:\n        pass", []),
        (
            "'''Acts.'''\n    try:\n        pass\n    except Refused:\n        raise Other from None",
            ["act: raises Other"],
        ),
    ],
)
def test_what_is_not_said_is_found(body, said):
    assert list(lacks(f"def act():\n    {body}\n")) == said
