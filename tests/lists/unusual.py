"""A policy with all that most policies do not have: its kernels compile when it is made, before it decides."""

from scoring.compiled import CompiledPolicy, ListFiles, compile_policy
from scoring.contract.decision import Versions
from scoring.lists import DatedEntries, DatedLimits, ListReader, ListTable
from scoring.policy import policy_from

POLICY = {
    "version": "1",
    "global": {"review": 600, "step_up": 800, "block": 900},
    "rules": [
        {
            "id": "large",
            "when": "score > 0",
            "action": "review",
            "text": {"en": "-", "ja": "-"},
            "author": "a",
            "reason": "r",
        }
    ],
    "lists": [
        {"id": "cards", "kind": "card", "direction": "deny", "action": "block", "author": "a", "reason": "r"},
    ],
}


def unusual_policy() -> CompiledPolicy:
    """Read a list of one card, and compile a policy with it and with a rule."""
    table = ListTable()
    table.reserve(1 << 10)
    ListReader(table, 0, "card", None).feed(b"value,effective_to\nsome-card,2030-01-01T00:00:00Z\n", is_last=True)
    dated = DatedEntries(DatedLimits(delay_ms=0, entries_max=16), frozenset())
    dated.take([], [], [])
    versions = Versions(model="m", features="f", policy="", code="c", reference="r")
    return compile_policy(policy_from(POLICY), ListFiles(table), versions, dated, frozenset())
