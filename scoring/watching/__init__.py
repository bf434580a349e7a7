"""Watch the model: how its inputs and scores are distributed, and what became of what it decided."""
