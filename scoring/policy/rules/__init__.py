"""Rules beside the model: conditions in CEL, checked by the CEL library and evaluated by a kernel over a batch."""

from scoring.policy.rules.counts import BlockCounts
from scoring.policy.rules.rule import Rule, RuleCaps, refuse_doubles
from scoring.policy.rules.ruleset import KEYS_MAX, NO_HITS, Batch, Ruled, RuleSet, rule_key, together

__all__ = [
    "KEYS_MAX",
    "NO_HITS",
    "Batch",
    "BlockCounts",
    "Rule",
    "RuleCaps",
    "RuleSet",
    "Ruled",
    "refuse_doubles",
    "rule_key",
    "together",
]
