"""Compile what is compiled on first use, before the first event waits for it.

Kernels are cached on disk where the installation may write there; elsewhere every start compiles them, for up to a
minute. A throw-away engine walks made-up events, an outcome, a report and a merchant through every stage. Where nothing
is cached yet, a second process compiles the kernels of the profiles meanwhile.
"""

import time

import numpy as np
import orjson
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.model.bundle import Bundle
from scoring.observer import Settings
from scoring.outputs import Source
from scoring.policy import policy_from
from scoring.policy.reasons import Reasons
from scoring.profile import Changelog, ProfileLimits
from streams.records.batches import Fetched
from streams.state.log.blocks import blocks
from streams.worker.compile_beside import profiles_compiled_beside

_TIME = "2026-01-01T00:00:00Z"
_TIME_MS = 1_767_225_600_000
_EVENT = {
    "event_id": "warm-up",
    "event_ts": _TIME,
    "acquirer": {"id": "a"},
    "merchant": {"id": "m", "mcc": "5732", "country": "JP"},
    "card": {"pan_hmac": "c", "network": "visa", "bin": "400000"},
    "txn": {"type": "purchase", "channel": "ecom", "initiator": "CIT"},
    "amount": {"minor": 1, "currency": "JPY", "exponent": 0},
    "outcome": {"phase": "PRE_AUTH"},
}
_REPORT = {
    "label_id": "warm-up",
    "event_id": "warm-up",
    "acquirer_id": "a",
    "merchant_id": "m",
    "pan_hmac": "c",
    "label": "FRAUD",
    "source": "ANALYST",
    "received_ts": _TIME,
}
_OUTCOME = {name: value for name, value in _EVENT.items() if name != "txn"} | {"outcome": {"approved": True}}
_MERCHANT = {"acquirer_id": "a", "merchant_id": "m"}
_ROWS = ProfileLimits(card=16, merchant=16, merchant_bin=16, bin=16, device=16, ip=16, account=16, address=16)


def warm_up(bundle: Bundle) -> float:
    """Run every kernel once and return how many seconds that took: less than one where they were cached."""
    began = time.monotonic()
    policy = policy_from({"version": "warm-up", "global": {"review": 1, "step_up": 1, "block": 1}})
    engine = Engine(bundle, policy, Settings(decode=DecodeLimits(), profiles=_ROWS, merchants_max=16), "warm-up")
    plain = orjson.dumps(_EVENT)
    odd = plain.replace(b'"warm-up"', b'"warm\\u002dup, spelt oddly"')  # the guard's second stage, msgspec's way
    with profiles_compiled_beside():
        engine.merchant([b"a/m"], [orjson.dumps(_MERCHANT)], _source("merchants"), received_at_ms=_TIME_MS)
        engine.observer.enrich([plain, odd])
        _unpack()
        _explain(bundle)
    report = engine.report([orjson.dumps(_REPORT)], _source("fraud-reports"), received_at_ms=_TIME_MS)
    scored = engine.score(
        [plain, odd], _source("authorizations", 2), received_at_ms=_TIME_MS, decided_at_ms=lambda: _TIME_MS
    )
    assert not report.dead_letters, "the made-up report fits the contract"
    assert len(scored.decisions) == 2, "the made-up events fit the contract"
    outcome = engine.outcomes([orjson.dumps(_OUTCOME)], _source("authorization-outcomes"), received_at_ms=_TIME_MS)
    assert outcome.tally.outcomes == {"COUNTED": 1}, "the made-up outcome fits the contract and its event"
    _keep_and_restore(engine.observer.profiles.changelog)
    return time.monotonic() - began


def _explain(bundle: Bundle) -> None:
    """Find the reasons of a score: else only the first alert would compile this."""
    row, contributions = np.zeros(len(FEATURES)), np.empty(len(FEATURES) + 1)
    bundle.trees.contributions(row, contributions)
    Reasons(FEATURES).top(contributions, row)


def _keep_and_restore(changelog: Changelog) -> None:
    """Take the rows out and put them back, as a flush and a restart do."""
    for rows in changelog.flush(0):
        blocks(rows, _TIME_MS, 1 << 20)
        changelog.restore(0, rows)
        changelog.rewrite(0, rows.keys)
    changelog.settle()
    changelog.forget_cards(0)


def _unpack() -> None:
    """Take a batch apart, as what was fetched is."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 10)
    builder.append(0, _TIME_MS, b"key", b"value", [])
    for batch in Fetched(bytes(builder.build())):
        assert batch.records(1 << 10).payloads == [b"value"]


def _source(topic: str, values: int = 1) -> Source:
    return Source(topic=topic, partition=0, offsets=range(values), timestamps_ms=(_TIME_MS,) * values)
