"""Rules of the tree: imports, sizes of files and functions, folders, no secrets."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.tidy.sources import nodes_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("streams", "scoring", "models")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
PACKAGE_FILES_MAX = 14
"""Python files in one folder, of packages and of tests; a fuller folder is split by subject."""


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def imports_of(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def test_scoring_imports_neither_shell() -> None:
    for path in python_files("scoring"):
        outward = {name for name in imports_of(path) if name.split(".")[0] in {"streams", "models"}}
        assert not outward, f"{path}: {outward}"


def test_scoring_has_no_clock_no_files_no_network_no_logs() -> None:
    banned = {"time", "os", "io", "pathlib", "logging", "random", "socket", "asyncio", "threading", "faust", "aiokafka"}
    for path in python_files("scoring"):
        used = {name.split(".")[0] for name in imports_of(path)} & banned
        assert not used, f"{path}: {used}"


def test_the_shells_do_not_import_each_other() -> None:
    for shell, other in (("streams", "models"), ("models", "streams")):
        for path in python_files(shell):
            if path.is_relative_to(ROOT / "streams" / "cli"):
                continue  # its lazy dispatch is the one exception
            assert not any(name.split(".")[0] == other for name in imports_of(path)), path


def test_no_package_imports_tests() -> None:
    for path in python_files(*PACKAGES):
        assert not any(name.split(".")[0] == "tests" for name in imports_of(path)), path


def test_files_and_packages_stay_readable() -> None:
    for path in python_files(*PACKAGES, "tests", "deploy"):
        lines = len(path.read_text().splitlines())
        assert lines <= FILE_LINES_MAX, f"{path}: {lines} lines"
    for package in {path.parent for path in python_files(*PACKAGES, "tests", "deploy")}:
        files = len(list(package.glob("*.py")))
        assert files <= PACKAGE_FILES_MAX, f"{package}: {files} files"


def test_functions_stay_readable() -> None:
    for path in python_files(*PACKAGES):
        for node in nodes_of(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                assert lines <= FUNCTION_LINES_MAX, f"{path}: {node.name} has {lines} lines"


def test_the_three_top_level_names_are_ours_alone() -> None:
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        assert set(owners.get(package, ["sekisho"])) == {"sekisho"}, owners[package]


def test_the_lock_is_hashed_and_names_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    requirements = re.findall(r"^[a-zA-Z0-9][^\n]*", lock, re.MULTILINE)
    assert requirements
    assert all(line.endswith("\\") for line in requirements), "a requirement without its hashes"


def test_no_file_contains_a_card_number() -> None:
    def luhn(digits: str) -> bool:
        total = sum(sum(divmod(int(d) * (2 if i % 2 else 1), 10)) for i, d in enumerate(reversed(digits)))
        return total % 10 == 0

    number = re.compile(
        rb"(?<![0-9a-fA-F.])(?:4[0-9]{15}|5[1-5][0-9]{14}|35[2-8][0-9]{13}|3[47][0-9]{13})(?![0-9a-fA-F])"
    )
    for path in tracked_files():
        for match in number.finditer(path.read_bytes() if path.suffix not in {".npy", ".txt", ".lock"} else b""):
            assert not luhn(match.group().decode()), f"{path}: contains digits that pass for a card number"


def test_files_are_small() -> None:
    for path in tracked_files():
        assert path.stat().st_size <= 3 << 20, f"{path}: {path.stat().st_size} bytes"
