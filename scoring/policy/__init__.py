"""What the acquirer wants done: thresholds by scope, bands, actions, and the words for reasons."""

from scoring.policy.policy import Policy, PolicyError, policy_from
from scoring.policy.table import PolicyTable

__all__ = ["Policy", "PolicyError", "PolicyTable", "policy_from"]
