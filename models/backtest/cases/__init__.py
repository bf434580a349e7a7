"""A backtest by case: figures, months and examples. A case has what one person looks at in one go."""
