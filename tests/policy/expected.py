"""The reasons that an event must have, in plain Python from the claims that are true of its features."""

from collections import defaultdict

from scoring.features.all import FEATURES
from tests.policy.claims import Claim, Row
from tests.policy.history_claims import CLAIMS

NAMES = [feature.name for feature in FEATURES]
FAMILY = {feature.name: feature.family for feature in FEATURES}
MEMBERS: dict[str, list[str]] = defaultdict(list)
for _feature in FEATURES:
    MEMBERS[_feature.family].append(_feature.name)

Told = tuple[str, float, str, dict[str, float]]
"""Id, weight, English text and evidence of one reason."""


def expected(added: dict[str, float], row: Row) -> list[Told]:
    """Give the expected reasons, from `tests.policy.claims`."""
    weights = {family: sum(added[name] for name in members) for family, members in MEMBERS.items()}
    told: list[Told] = []
    unsaid = 0.0
    for family in sorted(weights, key=lambda family: -weights[family]):
        if weights[family] < 0.05 or len(told) == 5:
            break
        best, share = best_claim(family, added, row)
        if best is None or share <= 0:
            unsaid += weights[family]
        else:
            told.append((best.id, round(weights[family], 3), best.en, {name: row[name] for name in best.features}))
    return told or [("COMBINATION", round(unsaid, 3), "The combination of this payment's features is unusual", {})]


def best_claim(family: str, added: dict[str, float], row: Row) -> tuple[Claim | None, float]:
    claims = [(sum(added[n] for n in claim.features if FAMILY[n] == family), claim) for claim in CLAIMS[family](row)]
    share, best = max(claims, key=lambda scored: scored[0], default=(0.0, None))
    return best, share
