"""What the documents name exists: files, modules and what is in them, make targets, links between pages."""

import importlib
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("core", "customers", "entitlements", "subscriptions", "invoicing", "billing_site", "tests", "benchmarks")
# Decisions tell of their time, so they may name what is no longer there.
PAGES = ("README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_PATH = re.compile(rf"(?:{'|'.join(PACKAGES)}|docs|templates|\.ci)/[\w./*-]*(?:::\w+)?")
_FILE = re.compile(r"\.?[\w-]+\.(?:py|md|toml|in|txt|html|yaml)")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def code_words(text: str) -> Iterator[str]:
    """Every word that stands between backticks or in a block of code, without the marks around it."""
    code = [*_FENCE.findall(text), *_INLINE.findall(_FENCE.sub("", text))]
    for piece in code:
        for word in re.split(r"[\s'\"=(),;]+", piece):
            yield word.rstrip(".:")


def missing(word: str) -> str:
    """What the word names that does not exist; empty where it names nothing, or what is there."""
    if _PATH.fullmatch(word):
        return "" if path_exists(word) else f"the path {word}"
    if _FILE.fullmatch(word):
        return "" if any(Path(name).name == word for name in tracked()) else f"the file {word}"
    if _DOTTED.fullmatch(word):
        return "" if is_there(word) else f"the name {word}"
    return ""


@lru_cache
def tracked() -> frozenset[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return frozenset(listed.stdout.decode().split("\0"))


def path_exists(word: str) -> bool:
    name, _, test = word.partition("::")
    found = list(ROOT.glob(name.rstrip("/")))
    return bool(found) and (not test or f"def {test}(" in found[0].read_text())


def is_there(dotted: str) -> bool:
    """Whether the name leads to a module, or to something in one. Only the latter is imported."""
    module, rest = dotted, list[str]()
    while not is_module(module):
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
        if not module:
            return False
    return not rest or holds(importlib.import_module(module), rest)


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def holds(found: object, rest: list[str]) -> bool:
    for word in rest:
        # Fields of a model and of a dataclass, too.
        if not hasattr(found, word):
            return word in getattr(found, "__annotations__", {}) or word in getattr(found, "__dataclass_fields__", {})
        found = getattr(found, word)
    return True


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str):
    text = (ROOT / page).read_text()

    assert sorted({said for word in code_words(text) if (said := missing(word))}) == []


@pytest.mark.parametrize("page", PAGES)
def test_the_make_targets_of_a_page_exist(page: str):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = (ROOT / page).read_text()
    named = {target for code in (*_FENCE.findall(text), *_INLINE.findall(text)) for target in made(code)}

    assert named - targets == set()


def made(code: str) -> list[str]:
    return re.findall(r"(?:^|[\s`])make ([a-z]+)", code)


def slug(heading: str) -> str:
    """The anchor of a heading, as Git hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text()), re.MULTILINE)}


@pytest.mark.parametrize("page", sorted(name for name in tracked() if name.endswith(".md")))
def test_links_between_pages_lead_somewhere(page: str):
    broken = []
    for link in _LINK.findall(_FENCE.sub("", (ROOT / page).read_text())):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("invoicing/no_such_file.py", "the path invoicing/no_such_file.py"),
        ("tests/unit/test_tax.py::test_gone", "the path tests/unit/test_tax.py::test_gone"),
        ("tests/unit/test_tax.py::test_tax_of_lines", ""),
        ("no_such_file.py", "the file no_such_file.py"),
        ("core.money.no_such_function", "the name core.money.no_such_function"),
        ("core.no_such_module.function", "the name core.no_such_module.function"),
        ("core.money.round_money", ""),
        ("customers.models.Customer.time_zone", ""),
        ("customers.settings_layers.Layer.origin", ""),
        ("invoicing/models/", ""),
        ("quantity", ""),
    ],
)
def test_what_does_not_exist_is_found(word: str, said: str):
    assert missing(word) == said
