"""Backtest: candidate policies against the current one, over a scored history. `sekisho backtest`."""
