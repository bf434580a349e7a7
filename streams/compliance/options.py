"""Options of `sekisho compliance report`. Every command imports this module, so it imports nothing costly."""

import argparse
import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Final

from scoring.compliance.report import MONTHS_MAX, MONTHS_MIN
from scoring.contract.currencies import rate_of

DESCRIPTION: Final = """\
Report what an acquirer's topics say of its merchants, its issuers and the schemes' programmes up to a day: gaps of the
Security Checklist, 3-D Secure, merchants where fraud is frequent, VAMP, ECM, EFM, scam-merchant tests, issuers,
contradictions. It writes JSON, CSV files and one HTML page in English and Japanese.
"""

EPILOG: Final = "What the figures mean, and what topics must keep for them: deploy/docs/compliance-report.md."


def add_options(p: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    p.add_argument("--config", type=Path, metavar="FILE", help="the worker's configuration; optional with --events")
    p.add_argument("--events", type=Path, metavar="FILE", help="read this file instead of the topics (JSON lines)")
    p.add_argument("--acquirer", required=True, metavar="ID", help="whose report")
    p.add_argument("--as-of", required=True, type=_day, metavar="DATE", help="the last day it knows, in Tokyo")
    p.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="a folder to make; it must not exist")
    p.add_argument("--pdf", action="store_true", help="also print the page to report.pdf, with Chromium or Chrome")
    p.add_argument("--months", type=_months, default=6, metavar="N", help="months to add up (default 6)")
    p.add_argument(
        "--compare", type=_month, metavar="YYYY-MM", help="also say what changed since the end of this month"
    )
    add_terms(p)


def add_terms(p: argparse.ArgumentParser) -> None:
    """Add the options of the schemes' programmes: where the acquirer is, and yen for foreign currencies."""
    p.add_argument(
        "--region", default="AP", choices=("AP", "CA", "EU", "LAC", "MENA", "US"), help="Visa's (default AP)"
    )
    p.add_argument(
        "--efm-region",
        default="NON_REGULATED",
        choices=("NON_REGULATED", "REGULATED", "AU"),
        help="Mastercard's: whether the law asks for strong authentication (default NON_REGULATED)",
    )
    p.add_argument(
        "--rate",
        type=_rate,
        action="append",
        default=[],
        metavar="CURRENCY=YEN",
        help="yen for one unit, as USD=150.25; EFM and some tiers of VAMP are judged only with it; repeatable",
    )


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text) or not 2000 <= int(text[:4]) <= 2100:
        raise argparse.ArgumentTypeError("write a day from 2000 to 2100 as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("there is no such day") from None


def _month(text: str) -> date:
    """Read a month as its first day."""
    if not re.fullmatch(r"\d{4}-\d\d", text):
        raise argparse.ArgumentTypeError("write a month as YYYY-MM")
    return _day(f"{text}-01")


def _months(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not MONTHS_MIN <= int(text) <= MONTHS_MAX:
        raise argparse.ArgumentTypeError(f"must lie between {MONTHS_MIN} and {MONTHS_MAX}")
    return int(text)


def _rate(text: str) -> tuple[str, Fraction]:
    """Read yen for one unit of a currency as yen for one minor unit."""
    try:
        return rate_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
