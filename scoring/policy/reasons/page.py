"""Generate the page of reasons: `python -m scoring.policy.reasons.page > deploy/docs/reasons.md`; a test compares."""

import re
from collections.abc import Iterator
from math import expm1, inf

from scoring.policy.reasons.merchant import FOR_MERCHANTS
from scoring.policy.reasons.ranking import CAPPED_RULE, CLOSED, NEUTRAL, ON_LIST, OVER_LIMIT, WORDINGS
from scoring.policy.reasons.wording import Bound, Wording

_INTRODUCTION = """\
# Reasons

Every decision that is not ALLOW has one to five reasons, and so has every alert. This page lists each reason with its
id, its text and the condition under which it is shown.

How reasons are chosen:

1. The model's features belong to families. The weight of a family is the sum of what its features add to the log-odds
   of this event. The families with the largest weights come first.
2. Within a family, a text is shown only if its condition holds for this event, and if the features of the condition
   raise the score. Of several such texts, the one whose features add most is shown.
3. A family without such a text is skipped. If no family has one, the reason is `{neutral}`: "{text}".
4. Where a limit of the policy raised the band, `{limit}` goes before all of them: "{limit_text}".
   Its weight is 0: the model has no part in it.
5. Where a list of the policy names the event, `{deny}` or `{allow}` goes before all others, with the kind of value and
   the id of the list: "{deny_text}". Their weight is 0 too. A decision that an allowing list lowered to ALLOW has
   reasons: the list's, then what the model says.
6. A decision without a score (status DEGRADED) has no reasons of the model. Where a broken rule of 3-D Secure of
   severity CRITICAL raised its band, `{closed}` says so: "{closed_text}".
7. Where a rule of the policy that blocks reached a cap, `{capped}` follows the rule's own reason: "{capped_text}".

How to read them:

* `evidence` has the features of the condition with their values, as the model got them. A missing value meets no
  condition, so no text is about missing values.
* `usual` has the medians of these features in the training of the model, where its bundle has them. A text with one
  figure ends with it: "usually ...".
* `merchant_en` and `merchant_ja` are what a merchant may read. They have no figure, no threshold and nothing of a list
  or the model, and several reasons share one text.
* Counts are of earlier events; the event itself is not counted. A window may reach back up to a quarter longer than its
  name says. "About" marks an estimate.
* Texts contain amounts, counts, times, rates and words of closed lists, never a text of the event.
* An id never changes its meaning. A text may be reworded: match ids.
* All bounds of a condition must hold; of "any of", at least one.

Contributions are path contributions (Saabas): they cost 29 us a row, exact SHAP 2,800. Summed by family they agree as
follows with LightGBM's `pred_contrib`, for the demonstration's model of 2026-11 over one simulated day of 14,706
payments (`tests/policy/test_usual.py` measures it again):

| score | payments compared | heaviest family the same | among the three heaviest of SHAP | of five, shared |
|---|---|---|---|---|
| 500 or more | 200 of 236 | 74% | 94% | 4.1 |
| 700 or more | 71 of 71 | 86% | 97% | 3.9 |

Made from `scoring/policy/reasons/` by `python -m scoring.policy.reasons.page`; do not edit.
"""


def markdown() -> str:
    """Return the page `deploy/docs/reasons.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION.format(
        neutral=NEUTRAL.id,
        text=NEUTRAL.en,
        limit=OVER_LIMIT.id,
        limit_text=OVER_LIMIT.en,
        closed=CLOSED.id,
        closed_text=CLOSED.en,
        **_lists(),
    )
    for family, wordings in WORDINGS.items():
        yield f"## {family}"
        yield ""
        yield "| id | text | condition |"
        yield "|---|---|---|"
        for wording in wordings:
            yield f"| `{wording.id}` | {_shown(wording.en)} | {_condition(wording)} |"
        yield ""
    yield "## Texts for merchants"
    yield ""
    yield "| reasons | English | Japanese |"
    yield "|---|---|---|"
    for text in dict.fromkeys(FOR_MERCHANTS.values()):
        ids = ", ".join(f"`{id_}`" for id_, own in FOR_MERCHANTS.items() if own == text)
        yield f"| {ids} | {text[0]} | {text[1]} |"


def _lists() -> dict[str, str]:
    deny, allow = ON_LIST["deny"], ON_LIST["allow"]
    return {
        "deny": deny.id,
        "allow": allow.id,
        "deny_text": _shown(deny.en),
        "capped": CAPPED_RULE.id,
        "capped_text": _shown(CAPPED_RULE.en),
    }


def _shown(text: str) -> str:
    """Return a text with an ellipsis for each figure."""
    return re.sub(r"\{[^}]*\}", "…", text)


def _condition(wording: Wording) -> str:
    parts = [_bound(bound) for bound in wording.when]
    if wording.named:
        parts.append("any of " + ", ".join(_bound(item.bound) for item in wording.named))
    return "; ".join(parts)


def _bound(bound: Bound) -> str:
    in_logs = bound.feature == "amount_log"
    low, high = (f"ln(1 + {expm1(end):,.0f} yen)" if in_logs else f"{end:.6g}" for end in (bound.low, bound.high))
    if bound.low == bound.high:
        return f"`{bound.feature}` = {low}"
    if bound.low == -inf and bound.high == inf:
        return f"`{bound.feature}` known"
    if bound.high == inf:
        return f"`{bound.feature}` ≥ {low}"
    return f"`{bound.feature}` ≤ {high}" if bound.low == -inf else f"`{bound.feature}` {low} to {high}"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 -- the program prints its page
