"""Scoring alone: the compiled forest beside `Booster.predict` on the same rows, with bit-equal results."""

import time
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray

from scoring.model.bundle import Bundle

BATCH = 32
ROUNDS = 40
CALLS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """Microseconds per row at a batch of 32: medians over interleaved rounds, and the median ratio of the pairs."""

    booster_us: float
    compiled_us: float
    ratio: float


def compare(bundle: Bundle, model_text: str, rows: NDArray[np.float64]) -> Inference:
    """Time both on `rows` float64[n, F], with other rows in every call. Raise AssertionError if one bit differs."""
    booster = lightgbm.Booster(model_str=model_text)
    compiled = np.empty(len(rows))
    bundle.trees.margins(rows, compiled)
    reference = np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
    assert np.array_equal(compiled.view(np.int64), reference.view(np.int64)), "compiled margins differ from LightGBM's"
    out = np.empty(BATCH)
    theirs, ours = [], []
    starts = np.random.default_rng(1).integers(0, len(rows) - BATCH, size=(ROUNDS, CALLS))
    for round_starts in starts:
        begun = time.perf_counter()
        for start in round_starts:
            booster.predict(rows[start : start + BATCH], raw_score=True, num_threads=1)
        between = time.perf_counter()
        for start in round_starts:
            bundle.trees.margins(rows[start : start + BATCH], out)
        ended = time.perf_counter()
        theirs.append((between - begun) / CALLS / BATCH * 1e6)
        ours.append((ended - between) / CALLS / BATCH * 1e6)
    return Inference(
        booster_us=float(np.median(theirs)),
        compiled_us=float(np.median(ours)),
        ratio=float(np.median(np.array(theirs) / np.array(ours))),
    )
