"""Time the profile kernels alone: `python -m tests.profile.bench`. CPU time, which a busy machine disturbs less."""

import platform
import time

import numba
import numpy as np

from scoring.profile import PROFILE_FEATURES, EventColumns, Profiles, Reports

CARDS, EVENTS, BATCH = 100_000, 600_000, 256
REPORTED, REPORTS = 3_000, 60_000  # the first cards are reported, at their merchants
POPULATION = (CARDS, 5_000, 30_000, 500, 100_000, 80_000, 90_000, 90_000)


def traffic(n: int, rng: np.random.Generator, start_ms: int, partitions: int = 1) -> EventColumns:
    """Draw events of random cards: popular merchants, BINs by Zipf, everything else tied to the card.

    Batch k of BATCH events has only cards of partition k modulo `partitions`.
    """
    partition = np.arange(n) // BATCH % partitions
    cards = rng.integers(0, CARDS // partitions, n) * partitions + partition
    keys = np.empty((n, 8), dtype=np.uint64)
    for entity, size in enumerate(POPULATION):
        key = rng.zipf(1.3, n) % size if entity in (1, 2, 3) else cards * size // CARDS
        mixed = (key.astype(np.uint64) + np.uint64(1 + entity * 10**7)) * np.uint64(0xD6E8FEB86659FD93)
        keys[:, entity] = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xD6E8FEB86659FD93)
    return EventColumns(
        event_id=rng.integers(1, 2**63, n).astype(np.uint64),
        keys=keys,
        time_ms=start_ms + np.arange(n, dtype=np.int64) * 2,
        amount_jpy=rng.integers(1, 50_000, n),
        outcome=rng.choice(np.array([1, 1, 1, 1, 1, 1, 2, 3, 4, 5], dtype=np.int8), n),
        kind=np.zeros(n, dtype=np.int8),
        mcc=rng.integers(1, 9_000, n).astype(np.int32),
        country=rng.integers(1, 900, n).astype(np.int32),
        tds_failed=rng.random(n) < 0.05,
        trusted_time=np.ones(n, dtype=np.bool_),
    )


def report(profiles: Profiles, columns: EventColumns, rng: np.random.Generator, end_ms: int) -> None:
    """Draw fraud reports of a few cards, over the last ten days."""
    of_few = np.flatnonzero(np.isin(columns.keys[:, 0], np.unique(columns.keys[:, 0])[:REPORTED]))
    rows = np.sort(rng.choice(of_few, REPORTS))
    received_ms = np.sort(end_ms - rng.integers(0, 864_000, REPORTS) * 1_000)
    partition = rows // BATCH % profiles.partitions
    for number in range(profiles.partitions):
        mine = partition == number
        card, merchant = (np.ascontiguousarray(columns.keys[rows[mine], entity]) for entity in (0, 1))
        profiles.report(
            Reports(card=card, merchant=merchant, received_ms=received_ms[mine], amount_jpy=rows[mine]), number
        )


def cut(columns: EventColumns, size: int) -> list[EventColumns]:
    starts = range(0, len(columns.event_id), size)
    return [EventColumns(*(column[start : start + size] for column in columns)) for start in starts]


def timed(profiles: Profiles, batches: list[EventColumns], out: np.ndarray) -> np.ndarray:
    """Return CPU microseconds per event of each batch."""
    spent = np.empty(len(batches))
    for k, batch in enumerate(batches):
        rows = out[: len(batch.event_id)]
        begun = time.process_time_ns()
        profiles.read_then_update(batch, rows, 0, k % profiles.partitions)
        spent[k] = (time.process_time_ns() - begun) / 1_000 / len(batch.event_id)
    return spent


def show(what: str, spent: np.ndarray) -> None:
    p5, p50, p95 = np.percentile(spent, (5, 50, 95))
    print(f"  {what}: p5 {p5:.2f}  p50 {p50:.2f}  p95 {p95:.2f}")


def durability(profiles: Profiles, rng: np.random.Generator, out: np.ndarray) -> None:
    """Time the flush of a second's changes, and the restore of these rows."""
    for partition in range(profiles.partitions):
        profiles.changelog.flush(partition)
    timed(profiles, cut(traffic(40_000, rng, 1_700_001_400_000, profiles.partitions), BATCH), out)
    begun = time.process_time()
    flushed = [profiles.changelog.flush(partition) for partition in range(profiles.partitions)]
    took, rows = time.process_time() - begun, sum(len(packed) for both in flushed for packed in both)
    size = sum(packed.values.nbytes for both in flushed for packed in both)
    print(f"flush after 40,000 events: {rows} rows, {took / rows * 1e6:.2f} us and {size / rows:.0f} bytes each")
    again = Profiles(partitions=profiles.partitions)
    begun = time.process_time()
    for partition, both in enumerate(flushed):
        for packed in both:
            again.changelog.restore(partition, packed)
    took = time.process_time() - begun
    print(f"restored: {took / rows * 1e6:.2f} us a row")


def main() -> None:
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, numba {numba.__version__}"
    )
    for partitions in (1, 2, 6):
        rng = np.random.default_rng(1)
        profiles = Profiles(partitions=partitions)
        out = np.empty((BATCH, len(PROFILE_FEATURES)))
        begun = time.process_time()
        timed(profiles, [traffic(1, rng, 1_699_999_999_000)], out)
        print(f"{partitions} partitions; first call {time.process_time() - begun:.1f} s CPU (compiles once)")
        whole = traffic(EVENTS, rng, 1_700_000_000_000, partitions)
        batches = cut(whole, BATCH)
        middle = len(batches) // 2
        timed(profiles, batches[:middle], out)
        print(f"{len(PROFILE_FEATURES)} features, 8 entities, {CARDS} cards, batches of {BATCH}, us per event:")
        show("nothing reported", timed(profiles, batches[middle : middle + middle // 2], out))
        report(profiles, whole, rng, 1_700_000_000_000)
        show(f"{REPORTED} cards reported", timed(profiles, batches[middle + middle // 2 :], out))
        alone = timed(profiles, cut(traffic(20_000, rng, 1_700_001_300_000), 1), out)
        print(f"one event a call: p50 {np.median(alone):.1f} us")
        print(f"{profiles.nbytes / 1e6:.0f} MB in {sum(profiles.sizes().values())} rows")
        durability(profiles, rng, out)


if __name__ == "__main__":
    main()
