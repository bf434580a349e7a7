"""Compare everything that is made from code with its source: `python -m deploy.generated`, a part of `make check`.

With `--write`, renew the files that can be renewed; the others are named with what to edit.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.generated import config, locks, made, schemas
from deploy.site import build

ROOT: Final = Path(__file__).resolve().parents[2]


def faults(root: Path) -> list[str]:
    """Name every file that is not what its source makes, each with the way to renew it."""
    found = made.differing(root) + schemas.faults(root) + config.faults(root) + locks.faults(root)
    return found + build.faults(build.committed() | build.generated())


def main(argv: Sequence[str] | None = None) -> int:
    """Print the faults and return 1, or 0 if there are none."""
    parser = argparse.ArgumentParser(prog="python -m deploy.generated", description=__doc__)
    parser.add_argument("--write", action="store_true", help="renew what differs")
    if parser.parse_args(argv).write:
        sys.stdout.writelines(f"{file}: renewed\n" for file in made.write(ROOT))
    found = faults(ROOT)
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
