"""The page of 3-D Secure: `python -m scoring.reference.threeds_page > deploy/docs/threeds.md`.

A test compares the two.
"""

import sys
from collections.abc import Iterator
from typing import Final

from scoring.reference.threeds import RECORDS, Rule, reference

_INTRODUCTION: Final = """\
# EMV 3-D Secure

What a decision says of 3-D Secure (`tds`), and from which tables it is judged.

* `status` is what transStatus says, `eci` what the ECI of the request claims, `liability` who bears a fraud. They are
  three things: an attempt is no authentication, and neither is a shift by itself. `liability_reason` names the
  condition that decided. An ECI of the response (`tds.eci_response`) overrides that of the request for the liability.
* `expected` says whether 3-D Secure was due, before its absence is called a gap. `expected_reason` says why. UNKNOWN is
  no gap.
* `flow` is FRICTIONLESS, CHALLENGE, DECOUPLED or DATA_ONLY; NONE where no authentication took place.
* `broken_rules` are the rules below that the event breaks, each with its reason code, severity and evidence. What an
  event does not say breaks no rule. The rules do not change the score: the model's own inputs do.

All 23 rules are judged. A rule that is not active never breaks.

TDS08, TDS09 and TDS10 compare a payment with the first use of its cryptogram or dsTransID in the last 90 days. Uses are
rows of `shared-profiles`, by partition: a restart finds them again, and other workers read them with their next poll.
The last 1,048,576 uses of all partitions together are remembered. Refunds and reversals are not compared. A dsTransID
that the merchant initiates or that comes by 3RI refers to the first payment by right. Cards are compared within one
acquirer only: their keys differ between acquirers.

TDS11 also breaks where three or more UUIDs of one merchant, first used in the hour before the payment, differ only in
their last four hexadecimal digits: `sequential_ids` says how many, and 9 stands for 9 or more. The first uses above are
the memory for it, so it has no rows of its own; at least the last 65,536 whose other digits differ stay in reach. A
dsTransID that comes again at its merchant is not judged.

TDS14 adds up the payments by 3RI (`device_channel` 03) that name one dsTransID, and compares the sum, the payment
included, with the first authentication: with its result, else with what its first use above said, else with what the
payment says itself. `three_ri_sum` is the sum, `first_amount` what was authenticated. The cardholder's own payment is
not in the sum. A payment that the event says was declined adds nothing; one whose answer comes later counts. Payments
in another currency, recurring ones, and those of the values of threeRIInd marked `by_payment` (recurring, top-up,
billing agreement) are not added: each has an amount of its own. The last 65,536 sums are rows of `shared-profiles`
(kind 246).

TDS21 counts the authentications of a merchant by day in Tokyo: payments of the cardholder that have a transStatus, and
those of A or U among them. A payment of A or U breaks the rule if the share of its day so far, itself included, is more
than twice that of the seven days before, or more than three standard deviations above it, and the day and the days
before it have at least 50 authentications each. The standard deviation is that of a share of as many payments, or that
of the daily shares of the seven days if it is greater. Payments of another status do not carry the rule: the share is
the merchant's, and they did not raise it. Counts are rows of `shared-profiles` (kind 248) by partition, and are added
up. 131,072 rows are remembered, one for each merchant and partition; merchants seen longest ago are forgotten first.

## Results of 3-D Secure

The topic `threeds-results` is optional: `topics.names.threeds_results` names it. Its records, `threeds-result.v1`, say
how authentications ended, as the 3DS server or the ACS knows it. The key is the card token, so a result is on the same
partition number as the payments of its card. Without the topic TDS12 and TDS23 never break, and TDS13 and TDS14 go by
what the payment itself says.

* A payment that claims an authentication or an attempt is looked up by its dsTransID. `tds.result` is MATCHED where its
  result was read before the decision. Then card, merchant, currency and amount are compared (TDS13, TDS14), except for
  payments that refer to an earlier authentication by right: those that the merchant initiates, or that come by 3RI.
* PENDING: no result was read yet, and the feed has not passed the time of the authentication by
  `threeds.result_grace_s`, 15 minutes by default. The time is `tds.auth_ts`, else that of the payment. TDS12 breaks
  with severity INFO only if the grace time is over for the payment itself: the feed is late.
* MISSING: the feed has passed that time, and there is no result: TDS12, MEDIUM.
* A decision is made at once and never changed. A PENDING claim is settled when the feed of its partition passes the
  time. If it has no result then, the next payment of the merchant on that partition breaks TDS12, MEDIUM, with the
  number of such claims (`unmatched`) and the time of the first one (`unmatched_since_ms`). Each claim is reported once.
  The payments are those of the merchant in `decisions` with `tds.result` PENDING.
* A claim has no `tds.result`, and breaks nothing, if its authentication is older than the first result of the feed, or
  than the oldest one that is remembered, or if it has no dsTransID, or if it refers to an earlier authentication and
  does not say when that was.
* TDS23 counts failed challenges of a card: transStatus N, or challengeCancel 01, 03, 04 and 08 where one is given. U
  does not count, and each authentication counts once. Three in the 10 minutes before an authentication break the rule
  for its payment, at any merchant of the acquirer.

A result that comes after its payment settles the claim and is not compared with it. Results, failed challenges and
claims are rows of `shared-profiles` by partition: a restart or another owner finds them as the last marker says. Other
workers read them with their next poll. A feed with another key than the card works too: a result on another worker's
partition is found about a second after that worker has read it, and failed challenges of all partitions are added up.
The clock of the feed is that of each partition: with another key it says nothing of the claims there, so keep the grace
time long.

Remembered of all partitions together: the last 524,288 results, the last 8 failed challenges of 65,536 cards, 65,536
claims that wait, and 16,384 merchants with claims to report. The oldest go first.

## Settings

TDS01 holds only for the acquirers that `threeds.cavv_hmac_from` names, the tolerance of TDS14 is
`threeds.amount_tolerance`. Without `tds.purchase_currency` the authenticated amount is in the currency of the payment.

Made from `scoring/reference/threeds_*.yaml` by `python -m scoring.reference.threeds_page`; do not edit.

## Rules
"""

CONDITIONS: Final = {
    "TDS01": "The ECI claims an authentication or an attempt, and there is no cryptogram and no result of its check",
    "TDS02": "An ECI, of request or response, is none of this network; Visa 01 to 04 fit mail order and series",
    "TDS03": "ECI and transStatus disagree, or `performed` is false beside a result",
    "TDS04": "An e-commerce purchase of the cardholder was submitted after N or R",
    "TDS05": "transStatus C, D or S as the final result",
    "TDS06": "The cryptogram had not 20 bytes, or was one byte repeated (`tds.cavv_wellformed` is false)",
    "TDS07": "The network found the cryptogram wrong",
    "TDS08": "The cryptogram was used with another card",
    "TDS09": "The cryptogram or dsTransID was used at another merchant or acquirer",
    "TDS10": "The cryptogram was used for another order of the same card and merchant",
    "TDS11": "dsTransID is no UUID, all zeros, or three at the merchant differ in the last four digits only",
    "TDS12": "The payment, or an earlier one of the merchant, has no result after the grace time",
    "TDS13": "The authenticated amount is in another currency, or the result of another card, merchant or currency",
    "TDS14": "The amount, or the sum of payments by 3RI, is above the authenticated one, of payment or result",
    "TDS15": "The authentication is older than the network allows, or later than the payment",
    "TDS16": "The message version is 1.x, 2.0.0, or retired at its time",
    "TDS17": "A value is not legal in the message version",
    "TDS18": "3RI by the cardholder, or app or browser by the merchant",
    "TDS19": "N, U or R without transStatusReason",
    "TDS20": "3-D Secure was due on a purchase, and none took place",
    "TDS21": "A or U, and the merchant's share of these jumped: twice that of the seven days before, or 3 deviations",
    "TDS22": "The card was present, and the payment is e-commerce or was authenticated online",
    "TDS23": "Three failed challenges of the card in 10 minutes, then Y: one-time passwords are relayed",
}
"""What each rule says, in words."""


def markdown() -> str:
    """Write the page `deploy/docs/threeds.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    made = reference()
    yield _INTRODUCTION
    yield "| id | reason code | breaks if | severity | active | evidence |"
    yield "|---|---|---|---|---|---|"
    for row in made.rules:
        evidence = ", ".join(f"`{name}`" for name in row.evidence)
        yield f"| {row.id} | `{row.code}` | {CONDITIONS[row.id]} | {_severity(row)} | {_active(row)} | {evidence} |"
    yield ""
    yield "## ECI by network"
    yield ""
    yield "A value without a row is impossible on that network. A transStatus that is not named contradicts the ECI."
    yield ""
    yield "| networks | ECI | claims | transStatus that agrees | |"
    yield "|---|---|---|---|---|"
    for eci in made.eci:
        beside = f" with reason {eci.with_reason}" if eci.with_reason else ""
        agreeing = f"{' '.join(eci.statuses)}{beside}"
        mark = "not confirmed" if eci.is_unverified else ""
        yield f"| {', '.join(eci.networks)} | {eci.eci} | {eci.claims} | {agreeing} | {mark} |"
    yield ""
    yield "## Tables"
    yield ""
    yield "A change of rules is a new row with its `effective_from`: it replaces the row of its key from that day on,"
    yield "in Tokyo. `effective_to` ends a row without a successor. Each event is judged by the rows that hold at its"
    yield "time. `UNV` marks a row that was not checked against a document, `DES` a choice of this project. Decisions"
    yield "carry the identity of the tables in `versions.reference`."
    yield ""
    yield "| file | about | rows | not confirmed | sources |"
    yield "|---|---|---|---|---|"
    for name in RECORDS:
        table = getattr(made, name)
        unverified = sum(row.is_unverified for row in table)
        sources = "; ".join(table.sources.values()) or "this project"
        yield f"| `threeds_{name}.yaml` | {table.title} | {len(table)} | {unverified} | {sources} |"


def _severity(row: Rule) -> str:
    other = f", in the graver case {row.raised}" if row.raised else ""
    return f"{row.severity}{other}{f', while the feed is late {row.lowered}' if row.lowered else ''}"


def _active(row: Rule) -> str:
    return "no" if not row.active else f"yes, but for {row.partly}" if row.partly else "yes"


if __name__ == "__main__":
    sys.stdout.write(markdown())
