"""`outcome.v1`: the issuer's answer to an authorization that was decided before it, on a topic of its own.

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
    """The issuer's answer. The class takes precedence over the response code, and that over the flag."""

    approved: bool | None = None
    response_code: Code | None = None
    normalised: NormalisedOutcome | None = None


class IssuerOutcome(Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one purchase, cash withdrawal or account verification.

    It updates the profiles of the entities that it names: without a device, address, account or BIN here, that profile
    is not updated. `event_ts` is the time of the answer, `amount` the approved amount.
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
    """Give the event with the same content, so that one reader reads both. Its type, channel and initiator have no
    meaning.
    """
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
