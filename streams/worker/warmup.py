"""Compile what is compiled on first use, before the first event waits for it.

Kernels are cached on disk where the installation may write there; elsewhere every start compiles them, for up to a
minute. A throw-away engine walks made-up events, an outcome, a report and a merchant through every stage. Where kernels
are not cached yet, a second process compiles a part of them first.
"""

import time

import numpy as np
import orjson

from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.model.absent import NoModel
from scoring.model.bundle import Bundle
from scoring.observer import Settings
from scoring.outputs import Source
from scoring.policy import policy_from
from scoring.policy.reasons import Reasons
from scoring.profile import Changelog
from scoring.profile.siblings import run_siblings
from streams.state.log.blocks import blocks
from streams.worker.compile_beside import compiled_in_two
from streams.worker.compile_jobs import EVENT, ROWS, TIME, TIME_MS, run_jumps, run_records, run_results

_REPORT = {
    "label_id": "warm-up",
    "event_id": "warm-up",
    "acquirer_id": "a",
    "merchant_id": "m",
    "pan_hmac": "c",
    "label": "FRAUD",
    "source": "ANALYST",
    "received_ts": TIME,
}
_OUTCOME = {name: value for name, value in EVENT.items() if name != "txn"} | {"outcome": {"approved": True}}
_ANYHOW = {"model_failure": {"missing": "rules_only", "refused": "rules_only"}}
_MERCHANT = {"acquirer_id": "a", "merchant_id": "m"}


def warm_up(model: Bundle | NoModel) -> float:
    """Run every kernel once and return the seconds: less than one if all were cached.

    Without a model those of the model are left out: loading one runs them.
    """
    began = time.monotonic()
    policy = policy_from({"version": "warm-up", "global": {"review": 1, "step_up": 1, "block": 1}} | _ANYHOW)
    engine = Engine(model, policy, Settings(decode=DecodeLimits(), profiles=ROWS, merchants_max=16), "warm-up")
    plain = orjson.dumps(EVENT)
    odd = plain.replace(b'"warm-up"', b'"warm\\u002dup, spelt oddly"')  # the guard's second stage, msgspec's way
    with compiled_in_two():
        if isinstance(model, Bundle):
            _run_model(model)
    engine.merchant([b"a/m"], [orjson.dumps(_MERCHANT)], _source("merchants"), received_at_ms=TIME_MS)
    report = engine.report([orjson.dumps(_REPORT)], _source("fraud-reports"), received_at_ms=TIME_MS)
    scored = engine.score(
        [plain, odd], _source("authorizations", 2), received_at_ms=TIME_MS, decided_at_ms=lambda: TIME_MS
    )
    assert not report.dead_letters, "the made-up report fits the contract"
    assert len(scored.decisions) == 2, "the made-up events fit the contract"
    outcome = engine.outcomes([orjson.dumps(_OUTCOME)], _source("authorization-outcomes"), received_at_ms=TIME_MS)
    assert outcome.tally.outcomes == {"COUNTED": 1}, "the made-up outcome fits the contract and its event"
    _keep_and_restore(engine.observer.profiles.changelog)
    run_results()
    run_jumps()
    run_siblings()
    run_records()
    return time.monotonic() - began


def _run_model(bundle: Bundle) -> None:
    """Score a row and find its reasons: else only the first alert would compile the latter."""
    matrix, margins, contributions = np.zeros((1, len(FEATURES))), np.empty(1), np.empty(len(FEATURES) + 1)
    bundle.trees.margins(matrix, margins)
    bundle.calibration.apply(margins)
    bundle.trees.contributions(matrix[0], contributions)
    Reasons(FEATURES).top(contributions, matrix[0])


def _keep_and_restore(changelog: Changelog) -> None:
    """Pack rows and restore them, as a flush and a restart do."""
    for rows in changelog.flush(0):
        blocks(rows, TIME_MS, 1 << 20)
        changelog.restore(0, rows)
        changelog.rewrite(0, rows.keys)
    changelog.settle()
    changelog.forget_cards(0)


def _source(topic: str, values: int = 1) -> Source:
    return Source(topic=topic, partition=0, offsets=range(values), timestamps_ms=(TIME_MS,) * values)
