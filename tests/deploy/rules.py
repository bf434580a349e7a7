"""The rule files and their promtool cases, as plain data."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
CASES = DEPLOY / "prometheus" / "tests"
RUNBOOK = DEPLOY / "docs" / "runbook.md"

METRIC = re.compile(r"\bsekisho_[a-z0-9_]+")


def read(file: Path) -> Any:
    """Read one YAML file."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def all_rules() -> list[dict[str, Any]]:
    """List every rule of every group of every file."""
    return [rule for file in sorted(RULES.glob("*.yaml")) for group in read(file)["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """List the alerts; one name may have a rule for each severity."""
    return [rule for rule in all_rules() if "alert" in rule]


def records() -> list[dict[str, Any]]:
    """List the recording rules."""
    return [rule for rule in all_rules() if "record" in rule]


def cases() -> list[dict[str, Any]]:
    """List the promtool cases of all files."""
    return [case for file in sorted(CASES.glob("*.yaml")) for case in read(file)["tests"]]


def anchor(heading: str) -> str:
    """Give the anchor that a Markdown page makes of a heading of one word."""
    return heading.strip().lower()
