"""Model inputs: what a payment and its merchant give, and the list of all features (`all`)."""

from scoring.features.feature import Feature

__all__ = ["Feature"]
