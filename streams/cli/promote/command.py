"""`sekisho promote`: give the promotion gate tables or topics of payments, and the policies and bundles of a worker."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from models.promotion import cli
from models.promotion.bars import Bars
from streams.cli.backtest import load_bundle_from, load_policy_from, refused
from streams.cli.train import Histories
from streams.config.load import load_record
from streams.replay.columns import declared


def parser() -> argparse.ArgumentParser:
    """Return the parser of `sekisho promote`."""
    return cli.parser(declared.shipped_columns())


def main(argv: Sequence[str] | None = None) -> int:
    """Run `sekisho promote`. Return its exit status."""
    histories = Histories("promote")
    outside = cli.Files(history=histories.open, policy=load_policy_from, bundle=load_bundle_from, bars=_bars)
    return histories.run(lambda: cli.main(argv, outside, declared.shipped_columns()))


def _bars(file: Path | None) -> Bars:
    if file is None:
        return Bars()
    return refused(lambda: load_record(file, Bars))
