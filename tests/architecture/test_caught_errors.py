"""Whatever catches every error says why, and hides none: it raises, logs where it failed, or hands it on."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site")
WHY = re.compile(r"except (?:Base)?Exception.*:  # (?:noqa: BLE001 - )?\w+ \w+")
# `as_cause` logs what nobody foresaw, and `fail` is what `together_or_alone` is given to keep it by.
HANDS_ON = {"as_cause", "fail"}


def hides(handler: ast.ExceptHandler) -> bool:
    for node in ast.walk(handler):
        if isinstance(node, ast.Raise):
            return False
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            told = called.startswith("logger.") and {"exc_info"} & {word.arg for word in node.keywords}
            if told or called == "logger.exception" or called in HANDS_ON:
                return False
    return True


def wrong(source: str) -> Iterator[str]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "BaseException" if node.type is None else ast.unparse(node.type)
        if not re.search(r"\b(Base)?Exception\b", caught):
            continue
        if not WHY.search(lines[node.lineno - 1]):
            yield f"{node.lineno}: no reason"
        if hides(node):
            yield f"{node.lineno}: hides the error"


def test_every_one_says_why_and_hides_none():
    sources = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if "except" in path.read_text()]
    found = {str(path.relative_to(ROOT)): list(wrong(path.read_text())) for path in sources}

    assert len(found) > 20
    assert {path: each for path, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        ("except Exception:\n    pass", ["3: no reason", "3: hides the error"]),
        ("except:\n    raise", ["3: no reason"]),
        (
            "except (KeyError, Exception):  # one must not stop the others\n    pass",
            ["3: no reason", "3: hides the error"],
        ),
        ("except Exception:  # one must not stop the others\n    logger.warning('failed')", ["3: hides the error"]),
        ("except Exception:  # one must not stop the others\n    logger.warning('failed', exc_info=True)", []),
        ("except Exception:  # one must not stop the others\n    logger.exception('failed')", []),
        ("except Exception as error:  # noqa: BLE001 - one must not\n    causes[0] = as_cause(error, 0)", []),
        ("except Exception:  # undone first\n    undo()\n    raise", []),
        ("except ValueError:\n    pass", []),
    ],
)
def test_what_catches_without_a_reason_or_a_trace_is_found(handler, said):
    assert list(wrong(f"try:\n    act()\n{handler}")) == said
