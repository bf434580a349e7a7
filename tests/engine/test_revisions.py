"""Kernels are compiled once on a machine, not at every start: the keys of their cache are the same in every process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REVISIONS = """
import scoring.engine, streams.records.columns, streams.state.log.blocks
from scoring.jit import revision
packages = ("observer", "profile", "decode", "features", "threeds")
print([revision(f"scoring.{name}") for name in packages])
print([revision(name) for name in ("streams.records.columns", "streams.state.log.blocks")])
"""


def revisions(seed: str) -> str:
    """Ask a new process, where sets of strings have another order."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", REVISIONS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_revisions_do_not_depend_on_the_order_of_sets() -> None:
    first = revisions("1")
    assert first.count(",") == 5
    assert revisions("2") == first
