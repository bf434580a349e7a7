"""Open a page in the browser of this machine, for tests."""

import os
from pathlib import Path

from streams.compliance.browser import BrowserError, find, run

PICTURE_MIN = 50_000
"""Bytes of a picture that shows something: an empty page has some 10 kB."""


def browser() -> str | None:
    """Return the path of a browser; None without one, unless the run requires one (SEKISHO_REQUIRE_BROWSER=1)."""
    try:
        return find()
    except BrowserError:
        if os.environ.get("SEKISHO_REQUIRE_BROWSER") == "1":
            raise
        return None


def script_errors(path: str, page: Path, picture: Path) -> bool:
    """Show a page, take its picture, and say whether its console has a message."""
    said = run(path, page, "--enable-logging=stderr", "--window-size=1280,1700", f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    return "CONSOLE" in said
