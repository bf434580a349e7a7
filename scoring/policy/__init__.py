"""The policy of the acquirer: thresholds by scope, bands, actions, and texts of reasons."""

from scoring.policy.policy import Policy, PolicyError, policy_from
from scoring.policy.table import PolicyTable

__all__ = ["Policy", "PolicyError", "PolicyTable", "policy_from"]
