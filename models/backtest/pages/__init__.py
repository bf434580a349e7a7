"""The page of a backtest and its sections, in English and Japanese."""
