"""Benchmarks do not run in the suite, so their imports are tried here."""

import importlib
import pkgutil

import pytest

import tests.bench

MODULES = [found.name for found in pkgutil.walk_packages(tests.bench.__path__, "tests.bench.")]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_finds_all_that_it_imports(name: str) -> None:
    importlib.import_module(name)
