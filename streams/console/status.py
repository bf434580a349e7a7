"""Output and exit statuses of commands."""

import sys

EXIT_OK = 0
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_INFRASTRUCTURE = 3
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h, as the watchdog's
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def show(text: str) -> None:
    """Write a result, with a line break after it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(command: str, text: object) -> None:
    """Write each line of `text` to standard error under the command's name."""
    for line in str(text).splitlines() or [""]:
        sys.stderr.write(f"sekisho {command}: {line}\n")
