"""Model inputs: features of the payment and its merchant, and the list of all features (`all`)."""

from scoring.features.feature import Feature

__all__ = ["Feature"]
