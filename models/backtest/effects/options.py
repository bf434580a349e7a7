"""Options of the schemes' programmes."""

import argparse
from fractions import Fraction

from models.backtest.effects.effects import Terms
from scoring.contract.currencies import rate_of


def add_terms(p: argparse.ArgumentParser) -> None:
    """Add the options that say where the acquirers are."""
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


def terms_of(options: argparse.Namespace) -> Terms:
    """Return what the options say."""
    return Terms(region=options.region, efm_region=options.efm_region, rates=dict(options.rate))


def _rate(text: str) -> tuple[str, Fraction]:
    try:
        return rate_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
