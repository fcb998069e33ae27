"""The measurements start: what they name in the packages is there, before anybody needs them."""

import importlib
from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in Path(__file__).parents[2].joinpath("benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_finds_what_it_imports(name):
    importlib.import_module("benchmarks" if name == "__init__" else f"benchmarks.{name}")
