"""Reasons as text: each family of features has texts in English and Japanese, each with a condition.

A text states facts with their figures, and only if the features of the event meet its condition. It never names a value
at which a score changes: attackers may read what a merchant reads.
"""

from scoring.policy.reasons.ranking import (
    NEUTRAL,
    REASON_IDS,
    WEIGHT_MIN,
    WORDINGS,
    Reasons,
    after_lists,
    closed_with,
    of_capped_rule,
    of_limit,
    of_list,
    with_rules,
)

__all__ = [
    "NEUTRAL",
    "REASON_IDS",
    "WEIGHT_MIN",
    "WORDINGS",
    "Reasons",
    "after_lists",
    "closed_with",
    "of_capped_rule",
    "of_limit",
    "of_list",
    "with_rules",
]
