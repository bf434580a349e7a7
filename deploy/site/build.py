"""Build the documentation as a site: `make docs`, or `python -m deploy.site.build --mkdocs PROGRAM`.

The pages are those of the repository, at the paths that they have there, and the generated reference. They are
checked, written to `build/site/pages`, and built by MkDocs in strict mode into `build/site/html`. The site loads
nothing from other hosts, and its pages can be read from a disk.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.site import commands, contracts, features, links, options

ROOT: Final = Path(__file__).resolve().parents[2]
CONFIG: Final = Path(__file__).with_name("mkdocs.yml")
STAGE: Final = ROOT / "build" / "site"
REFERENCE: Final = "deploy/docs/reference"
"""Folder of the generated pages on the site. The repository has no such folder."""

LOADED: Final = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)")


def committed() -> dict[str, str]:
    """Read the pages of the repository that the site shows, by their paths from its root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "models").glob("*.md"), *(ROOT / "deploy").rglob("*.md")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(found)}


def generated() -> dict[str, str]:
    """Make the pages of the reference that are built from the code and not committed."""
    made = {name: contracts.page(name) for name in contracts.names()}
    made |= {"configuration": options.page(), "commands": commands.page(), "features": features.page()}
    return {f"{REFERENCE}/{name}.md": text for name, text in made.items()}


def faults(pages: Mapping[str, str]) -> list[str]:
    """Name every broken link and every line that the site would lay out differently from the repository."""
    return links.broken(pages, ROOT) + [fault for page, text in pages.items() for fault in links.misread(page, text)]


def stage(pages: Mapping[str, str], target: Path) -> None:
    """Write the pages, and the files that they link, into an empty folder at the paths of the repository."""
    shutil.rmtree(target, ignore_errors=True)
    for page, text in pages.items():
        (target / page).parent.mkdir(parents=True, exist_ok=True)
        (target / page).write_text(text, encoding="utf-8")
    for file in links.files(pages):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target / file)


def loaded(site: Path) -> list[str]:
    """Name what the built pages would load from other hosts."""
    return sorted(
        {
            f"{file.relative_to(site)}: loads {address}"
            for file in site.rglob("*.html")
            for address in LOADED.findall(file.read_text(encoding="utf-8"))
        }
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Build the site; return 1, with the faults on standard error, if a page or link is wrong."""
    parser = argparse.ArgumentParser(prog="python -m deploy.site.build", description=__doc__)
    parser.add_argument(
        "--mkdocs", metavar="PROGRAM", required=True, help="mkdocs, with deploy/locks/docs.txt installed"
    )
    options = parser.parse_args(argv)
    pages = committed() | generated()
    found = faults(pages)
    if not found:
        stage(pages, STAGE / "pages")
        command = [options.mkdocs, "build", "--strict", "--quiet", "--config-file", str(CONFIG)]
        quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # Material's notice of its end of life: ADR 0020
        if subprocess.run(command, check=False, env=quiet).returncode != 0:  # noqa: S603 -- what our Makefile installs
            return 1
        found = loaded(STAGE / "html")
    sys.stderr.writelines(f"{fault}\n" for fault in found)
    if not found:
        sys.stdout.write(f"{len(pages)} pages: {(STAGE / 'html' / 'index.html').relative_to(ROOT)}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
