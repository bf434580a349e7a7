"""Reasons in words: each family of features has texts in English and Japanese, each with the condition of its truth.

A text says what was seen, with its figures, and only where the event's own features bear it out. It never says at which
value a score turns: what reaches a merchant reaches attackers.
"""

from scoring.policy.reasons.ranking import NEUTRAL, WEIGHT_MIN, WORDINGS, Reasons

__all__ = ["NEUTRAL", "WEIGHT_MIN", "WORDINGS", "Reasons"]
