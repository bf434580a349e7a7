"""A range of the input topics as a history: for training, backtests and promotion."""
