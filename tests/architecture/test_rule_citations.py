"""Every citation of a billing rule leads to its section, and every worked figure there is one that a test holds."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "docs" / "billing-rules.md"

# A docstring, a comment or a list may break a citation: line ends with their marks count as one blank.
_BREAK = re.compile(r"\s*\n[ \t]*(?:#+|[-*>])?[ \t]*")
_NUMBERS = r"(?P<numbers>\d+(?:(?:, | and |, and | or | to |-)\d+\b)*)"
_CITATIONS = (
    re.compile(rf"\bbilling rules? {_NUMBERS}", re.IGNORECASE),
    re.compile(rf"\brules?,? (?:sections? |§ ?){_NUMBERS}", re.IGNORECASE),
    re.compile(r"billing-rules\.md#(?P<numbers>\d+)-"),
)
_HELD = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_FIGURE = re.compile(r"\*\*(-?[\w.,-]*\d[\w.,-]*|[a-z]+_[a-z_]+)\*\*")


class Citation(NamedTuple):
    place: str
    section: int


def sections(text: str) -> set[int]:
    """The numbers of the headings `## 4. Items`."""
    return {int(number) for number in re.findall(r"^## (\d+)\. \S", text, re.MULTILINE)}


def citations(text: str, name: str) -> Iterator[Citation]:
    """Every section that `text` cites; of "billing rules 9 and 10" both, of "billing rules 2-4" the two ends."""
    for pattern in _CITATIONS:
        for found in pattern.finditer(_BREAK.sub(" ", text)):
            for number in re.findall(r"\d+", found["numbers"]):
                yield Citation(f"{name}: {found[0]}", int(number))


def unresolved(cited: Iterator[Citation], there: set[int]) -> list[str]:
    """The places whose section does not exist."""
    return [citation.place for citation in cited if citation.section not in there]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True)
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def all_citations() -> Iterator[Citation]:
    for path in tracked("*.py", "*.html", "*.md"):
        if path != Path(__file__).resolve():
            yield from citations(path.read_text(), str(path.relative_to(ROOT)))


def test_every_citation_leads_to_a_section():
    there = sections(RULES.read_text())
    found = list(all_citations())

    assert there == set(range(1, 15))
    assert len(found) > 120, "the citations are written in another way than this test knows"
    assert unresolved(iter(found), there) == []


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("(billing rules 15)", [15]),
        ("Billing rules 6, 10", [6, 10]),
        ("billing rules 1, 2 and 30", [1, 2, 30]),
        ("the billing rules, section 12", [12]),
        ("see the rules, section 3", [3]),
        ("(billing\n    rules 5): it can be archived", [5]),
        ("# as of billing rules\n# 99", [99]),
        ("[section 8](billing-rules.md#8-contracts)", [8]),
        ("the billing rules of today, 3 of them", []),
        ("billing rules 13, point 8", [13]),
    ],
)
def test_citations_are_found_however_they_are_written(text: str, cited: list[int]):
    found = list(citations(text, "here"))

    assert [citation.section for citation in found] == cited
    assert unresolved(iter(found), set(range(1, 15))) == [
        citation.place for citation in found if citation.section not in range(1, 15)
    ]


def worked_examples(text: str) -> list[tuple[str, str]]:
    """The first line and the whole of each block from `**Worked.**` to the next block or heading."""
    blocks = re.split(r"^(?=\*\*Worked\.\*\*|#)", text, flags=re.MULTILINE)
    return [(block.partition("\n")[0], block) for block in blocks if block.startswith("**Worked.**")]


@lru_cache
def source_of(path: str) -> dict[str, str]:
    """The source of each test function of a file, with its parameters and all that stands outside of functions."""
    text = (ROOT / path).read_text()
    body = ast.parse(text).body
    lines = text.splitlines()

    def written(node: ast.stmt) -> str:
        above = [decorator.lineno for decorator in getattr(node, "decorator_list", [])]
        return "\n".join(lines[min([node.lineno, *above]) - 1 : node.end_lineno])

    outside = "\n".join(written(node) for node in body if not isinstance(node, ast.FunctionDef | ast.ClassDef))
    return {node.name: f"{outside}\n{written(node)}" for node in body if isinstance(node, ast.FunctionDef)}


def unheld(first_line: str, block: str) -> list[str]:
    """What is wrong with a worked example: no test, a test that is gone, a figure that no named test has."""
    held = _HELD.findall(block)
    if not held:
        return [] if "**Planned**" in block else [f"{first_line}: names no test, and is not planned"]
    gone = [f"{first_line}: {path}::{name} does not exist" for path, name in held if not exists(path, name)]
    if gone:
        return gone
    tests = "\n".join(source_of(path)[name] for path, name in held)
    example = block.partition("*Held by*")[0]
    figures = [figure.replace(",", "") for figure in _FIGURE.findall(example)]
    return [f"{first_line}: no named test has {figure}" for figure in figures if not stands_in(figure, tests)] or (
        [] if figures else [f"{first_line}: has no figure in bold"]
    )


def exists(path: str, name: str) -> bool:
    return (ROOT / path).is_file() and name in source_of(path)


def stands_in(figure: str, source: str) -> bool:
    """Whether the figure is there by itself, not as a part of a longer one."""
    return re.search(rf"(?<![\d.\w]){re.escape(figure)}(?![\d\w]|\.\d)", source) is not None


def test_every_worked_figure_is_held_by_a_test():
    examples = worked_examples(RULES.read_text())

    assert len(examples) >= 15
    assert [problem for first, block in examples for problem in unheld(first, block)] == []


HERE = "`tests/unit/test_tax.py::test_tax_of_lines`"


@pytest.mark.parametrize(
    ("example", "said"),
    [
        ("| 3 x 3.33 | **0.64** |", "names no test"),
        ("| 3 x 3.33 | **0.64** |\n\n*Held by* `tests/unit/test_tax.py::test_gone`.", "does not exist"),
        (f"| 3 x 3.33 | **0.65** |\n\n*Held by* {HERE}.", "no named test has 0.65"),
        (f"| 3 x 3.33 | **0.6** |\n\n*Held by* {HERE}.", "no named test has 0.6"),
        (f"| 3 x 3.33 | 0.64 |\n\n*Held by* {HERE}.", "no figure in bold"),
    ],
)
def test_a_figure_without_its_test_is_found(example: str, said: str):
    ((first, block),) = worked_examples(f"**Worked.** Three lines.\n\n{example}\n\n## 13. Next\n")

    (problem,) = unheld(first, block)
    assert said in problem
