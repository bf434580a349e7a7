"""Time of an event in the core, stage by stage, without Kafka."""

import gc
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.clock import UNDATED
from scoring.engine import SHADOW_STAGE, STAGES, Engine
from scoring.outputs import Source

BATCH = 500
WARM_SHARE = 0.25


def stage_us(engine: Engine, values: Sequence[bytes]) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Score `values` in batches of 500; return microseconds per event by stage (medians) and the last model rows."""
    took: dict[str, list[float]] = defaultdict(list)
    last = 0.0
    rows: list[NDArray[np.float64]] = []

    def mark(stage: str) -> None:
        nonlocal last
        now = time.perf_counter()
        took[stage].append((now - last) / BATCH * 1e6)
        last = now

    gc.collect()
    gc.freeze()
    for start in range(0, len(values) - BATCH + 1, BATCH):
        batch = values[start : start + BATCH]
        source = Source(topic="authorizations", partition=0, offsets=range(BATCH), timestamps_ms=[UNDATED] * BATCH)
        last = time.perf_counter()
        engine.score(batch, source, received_at_ms=2**43, decided_at_ms=lambda: 0, mark=mark)
    warm = int(len(took["decode"]) * WARM_SHARE)
    observed = engine.observer.observe(values[:BATCH], [UNDATED] * BATCH)
    rows.append(observed.matrix.copy())
    marked = [stage for stage in (*STAGES, SHADOW_STAGE) if stage in took]
    return {stage: float(np.median(took[stage][warm:])) for stage in marked}, np.concatenate(rows)
