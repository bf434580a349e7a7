"""Print a page to PDF with a browser of this machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
"""Programs that print a page without a window, in the order in which they are looked for on PATH."""

PRINT_S: Final = 120.0
"""Time limit of a print."""

_OPTIONS: Final = (
    *("--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-extensions"),
)
_TAIL: Final = 300  # characters of the browser's messages in an error


class BrowserError(Exception):
    """No browser is installed, or it did not print the page."""


def find() -> str:
    """Return the path of a browser.

    Raises:
        BrowserError: there is none on PATH.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    raise BrowserError(
        f"--pdf: none of {', '.join(NAMES)} is on PATH: install one, or print report.html from a browser"
    )


def run(browser: str, page: Path, *options: str, timeout_s: float = PRINT_S) -> str:
    """Open a page without a window, with a profile of its own that is removed again; return the browser's messages.

    Raises:
        BrowserError: the browser cannot be started, ends with an error, or takes too long.
    """
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium refuses to sandbox for root
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *_OPTIONS, *sandbox, f"--user-data-dir={profile}", *options, page.resolve().as_uri()]
        try:
            ended = subprocess.run(  # noqa: S603 - a program from PATH, with options of our own
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            raise BrowserError(
                f"--pdf: {browser} took more than {timeout_s:g} s: print {page} from a browser"
            ) from None
        except OSError as error:
            raise BrowserError(f"--pdf: {browser} cannot be started: {error.strerror}") from error
    said = ended.stderr.decode(errors="replace")
    if ended.returncode != 0:
        raise BrowserError(f"--pdf: {browser} ended with status {ended.returncode}: {said.strip()[-_TAIL:]}")
    return said


def print_pdf(browser: str, page: Path, pdf: Path, *, timeout_s: float = PRINT_S) -> None:
    """Print a page to a PDF file, as its style sheet says.

    Raises:
        BrowserError: the browser did not write the file.
    """
    said = run(browser, page, "--no-pdf-header-footer", f"--print-to-pdf={pdf.resolve()}", timeout_s=timeout_s)
    if not pdf.is_file():
        raise BrowserError(f"--pdf: {browser} wrote no {pdf}: {said.strip()[-_TAIL:]}")
