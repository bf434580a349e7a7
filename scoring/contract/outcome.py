"""`outcome.v1`: how the issuer answered an authorization that an acquirer asked about before, on a topic of its own.

The record has the shape of `auth.event.v1` without the sections that only a decision needs. It is never decided.
"""

from typing import Final, Literal

from msgspec import Struct

from scoring.contract.authorization import (
    Acquirer,
    Amount,
    Authorization,
    Card,
    Device,
    Merchant,
    Net,
    NormalisedOutcome,
    Outcome,
    Ship,
    Shopper,
    Txn,
)
from scoring.contract.types import Code, EventId, Timestamp

SCHEMA = "outcome.v1"


class Answer(Struct, frozen=True, kw_only=True, gc=False):
    """What the issuer said. The class counts before the response code, and that before the flag."""

    approved: bool | None = None
    response_code: Code | None = None
    normalised: NormalisedOutcome | None = None


class IssuerOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one purchase, cash withdrawal or account verification.

    It counts in the profiles of what it names: of a device, address, account or BIN that is left out here, the profile
    does not learn of it. `event_ts` is the time of the answer, `amount` what was approved.
    """

    event_id: EventId
    event_ts: Timestamp
    acquirer: Acquirer
    merchant: Merchant
    card: Card
    amount: Amount
    outcome: Answer
    schema_version: Literal["outcome.v1"] = "outcome.v1"
    device: Device | None = None
    net: Net | None = None
    shopper: Shopper | None = None
    ship: Ship | None = None


_TXN: Final = Txn(type="purchase", channel="other", initiator="CIT")


def as_event(record: IssuerOutcome) -> Authorization:
    """Give the event that says the same: one reader then reads both. Type, channel and initiator mean nothing in it."""
    said = record.outcome
    return Authorization(
        event_id=record.event_id,
        event_ts=record.event_ts,
        acquirer=record.acquirer,
        merchant=record.merchant,
        card=record.card,
        txn=_TXN,
        amount=record.amount,
        outcome=Outcome(
            phase="POST_AUTH",
            approved=said.approved,
            response_code=said.response_code,
            normalised=said.normalised,
        ),
        device=record.device,
        net=record.net,
        shopper=record.shopper,
        ship=record.ship,
    )
