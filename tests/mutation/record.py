"""The result of each mutant, kept from run to run."""

import ast
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from tests.mutation.mutants import Mutants
from tests.mutation.run import KILLED, ROOT, SURVIVED, TIMED_OUT

EXPLAINED: Final = "explained"
_HEADS: Final = ("mutants", "tried", "killed", "timed out", "killed later", "explained", "survived")


class File:
    """One file, its mutants by number, and their results."""

    def __init__(self, path: Path, known: dict[str, Any]) -> None:
        self.path, self.name = path, path.relative_to(ROOT).as_posix()
        source = path.read_text()
        self.mutants = Mutants(source)
        self._code = sha256(ast.dump(ast.parse(source)).encode()).hexdigest()
        same = known if known.get("code") == self._code else {}
        self._fates: dict[str, str] = same.get("fates", {})
        self._once: list[int] = same.get("survived_once", [])

    def __len__(self) -> int:
        return len(self.mutants)

    def left(self) -> list[int]:
        """List the mutants that no test has killed so far."""
        return [n for n in range(len(self)) if self._fates.get(str(n)) not in {KILLED, TIMED_OUT}]

    def has_survived(self, number: int) -> bool:
        """Tell whether a mutant survived the last run that tried it, without an explanation."""
        return self._fates.get(str(number)) == SURVIVED

    def found(self, number: int, fate: str) -> None:
        """Record the result of a mutant."""
        self._fates[str(number)] = fate
        if fate == SURVIVED and number not in self._once:
            self._once.append(number)

    def count(self, *fates: str) -> int:
        """Count the mutants with these results."""
        return sum(fate in fates for fate in self._fates.values())

    def row(self) -> list[int]:
        """Give the numbers of _HEADS."""
        later = sum(self._fates[str(number)] in {KILLED, TIMED_OUT} for number in self._once)
        counts = [self.count(KILLED), self.count(TIMED_OUT), later, self.count(EXPLAINED), self.count(SURVIVED)]
        return [len(self), len(self._fates), *counts]

    def known(self) -> dict[str, Any]:
        """Give the content of the record."""
        return {"code": self._code, "fates": self._fates, "survived_once": self._once}


class Record:
    """A JSON file of all results; without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}
        self._files: list[File] = []

    def of(self, path: Path) -> File:
        """Read a file; results of its mutants are used if its code is the same."""
        self._files.append(File(path, self._known.get(path.relative_to(ROOT).as_posix(), {})))
        return self._files[-1]

    def write(self) -> None:
        """Write all results so far."""
        if self._path:
            known = self._known | {file.name: file.known() for file in self._files}
            self._path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def table(files: Sequence[File]) -> str:
    """Write one line a file and their sum. `killed later` counts, among those killed, survivors of an earlier run."""
    rows = [(file.name, file.row()) for file in files]
    rows.append(("all", [sum(column) for column in zip(*(row for _, row in rows), strict=True)]))
    width = max(len(name) for name, _ in rows)
    lines = [f"{'file':{width}}  {'  '.join(_HEADS)}"]
    for name, row in rows:
        lines.append(f"{name:{width}}  {'  '.join(f'{n:{len(head)}}' for n, head in zip(row, _HEADS, strict=True))}")
    return "\n".join(lines)
