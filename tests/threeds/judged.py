"""The `tds` section of decisions, for raw events and raw merchant records."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from scoring import threeds
from scoring.decide.threeds import ThreeDsEncoder
from scoring.decode import DecodeLimits, decode, parse_merchants
from scoring.merchants.store import MerchantStore
from scoring.reference.threeds import ThreeDsReference, reference
from scoring.threeds.settings import EVERY_ACQUIRER, ThreeDsSettings

Json = dict[str, Any]
EVERY = ThreeDsSettings(cavv_hmac_from=(EVERY_ACQUIRER,))


def judge(
    events: Sequence[Json],
    records: Sequence[Json] = (),
    settings: ThreeDsSettings = EVERY,
    made: ThreeDsReference | None = None,
) -> list[Json]:
    """Give the `tds` section of the decision on each event; the decoder must accept all of them."""
    made = reference() if made is None else made
    merchants = MerchantStore()
    keys = [f"{record['acquirer_id']}/{record['merchant_id']}".encode() for record in records]
    parsed = parse_merchants(keys, [json.dumps(record).encode() for record in records], DecodeLimits())
    assert parsed.rejects == []
    for _, _, record in parsed.changes:
        assert record is not None
        merchants.upsert(record)
    decoded = decode([json.dumps(event).encode() for event in events], DecodeLimits())
    assert decoded.rejects == []
    rows = merchants.rows(decoded.names)
    verdicts = np.zeros((len(decoded), threeds.VERDICT_COLUMNS), dtype=np.int64)
    tables = threeds.tables_of(made, settings.amount_tolerance)
    threeds.normalise(decoded.ints, merchants.table, rows, verdicts, tables)
    texts = ThreeDsEncoder(made, settings).encode(decoded.ints, decoded.names, verdicts, merchants.table, rows)
    return [json.loads(text) for text in texts]


def broken(section: Json) -> dict[str, str]:
    """Give the broken rules of a section with their severities."""
    return {rule["id"]: rule["severity"] for rule in section.get("broken_rules", ())}
