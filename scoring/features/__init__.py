"""Model inputs: what a payment and its merchant give, and the catalogue that orders all of them."""

from scoring.features.feature import Feature

__all__ = ["Feature"]
