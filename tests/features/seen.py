"""The inputs that enrichment computes from raw events and raw merchant records, by name."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring import threeds
from scoring.contract.codes import EciClass, Expectation, Liability, ThreeDsStatus
from scoring.decode import Col, DecodeLimits, decode, parse_merchants
from scoring.features.payment import PAYMENT_FEATURES, fill_payment_features
from scoring.merchants.duties import is_bound
from scoring.merchants.store import MerchantStore
from scoring.reference.threeds import reference

Json = dict[str, Any]
LIMITS = DecodeLimits()
TABLES = threeds.tables_of(reference())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One event after enrichment."""

    status: str
    eci: str
    liability: str
    expected: str
    inputs: dict[str, float]
    compliance: Json


def store_of(records: Sequence[Json]) -> MerchantStore:
    """Store records as they come from the topic; none may be refused."""
    store = MerchantStore()
    keys = [f"{record['acquirer_id']}/{record['merchant_id']}".encode() for record in records]
    parsed = parse_merchants(keys, [json.dumps(record).encode() for record in records], LIMITS)
    assert parsed.rejects == []
    for _, _, record in parsed.changes:
        assert record is not None
        store.upsert(record)
    return store


def enrich(events: Sequence[Json], records: Sequence[Json] = (), limits: DecodeLimits = LIMITS) -> list[Seen]:
    """Enrich events that the decoder must all accept, each with the newest record of its merchant."""
    store = store_of(records)
    decoded = decode([json.dumps(event).encode() for event in events], limits)
    assert decoded.rejects == []
    rows = store.rows(decoded.names)
    verdicts = np.zeros((len(decoded), threeds.VERDICT_COLUMNS), dtype=np.int64)
    threeds.normalise(decoded.ints, store.table, rows, verdicts, TABLES)
    matrix = np.zeros((len(decoded), len(PAYMENT_FEATURES)))
    fill_payment_features(decoded.ints, decoded.hashes, store.table, rows, verdicts, matrix)
    ints = decoded.ints
    texts = store.summaries(rows, ints[:, Col.EVENT_MS], ints[:, Col.MCC], is_bound(ints))
    names = [feature.name for feature in PAYMENT_FEATURES]
    made = []
    for (status, eci, liability, expected, *_), row, text in zip(verdicts.tolist(), matrix, texts, strict=True):
        made.append(
            Seen(
                status=ThreeDsStatus(status).name,
                eci=EciClass(eci).name,
                liability=Liability(liability).name,
                expected=Expectation(expected).name,
                inputs=dict(zip(names, row.tolist(), strict=True)),
                compliance=json.loads(text),
            )
        )
    return made
