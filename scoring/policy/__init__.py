"""The policy of the acquirer: thresholds by scope, bands, actions, and texts of reasons."""

from scoring.policy.changes import policy_changes
from scoring.policy.explain import lines as policy_lines
from scoring.policy.listed import Listed, ListJudge
from scoring.policy.policy import Policy, PolicyError, policy_from
from scoring.policy.table import Judged, PolicyTable

__all__ = [
    "Judged",
    "ListJudge",
    "Listed",
    "Policy",
    "PolicyError",
    "PolicyTable",
    "policy_changes",
    "policy_from",
    "policy_lines",
]
