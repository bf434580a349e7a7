"""Training: records in, a checked model bundle out. `sekisho train` and `python -m models.training`."""

from models.training.cli import main

__all__ = ["main"]
