"""Endless traffic of a fixed population, for soak and load tests.

A few thousand events are drawn once. Each pass gives them new event ids and new times, in order, and changes nothing
else. So profiles stay the same size while event time advances.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import orjson
from numpy.typing import NDArray

from models.simulator.config import START_MS, EpisodeRates, SimulatorConfig
from models.simulator.stream import Simulator

_ID = b'"event_id":"'
_TS = b'"event_ts":"'
_AUTHENTICATED_AT = re.compile(rb'"auth_ts":"[^"]*",')  # optional, and wrong once the time of the event changes
_TEMPLATES_MAX = 20_000
_UNREAD = (
    ("txn", "order_ref_hmac"),
    ("shopper", "email_hmac"),
    ("shopper", "phone_hmac"),
    ("net", "ip_prefix24_hmac"),
    ("merchant", "name"),
)


def soak_values(
    n_events: int,
    population: int,
    seed: int,
    *,
    start_ms: int = START_MS,
    gap_ms: int = 5,
    batch: int = 1_000,
    lean: bool = False,
) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield batches of (key, `auth.event.v1` JSON): `n_events` in all, of `population` cards at most.

    `lean` leaves out tokens that no feature uses, which reduces the mean event from 1.3 KB to about 1 KB.
    Event ids are `soak` and twelve hexadecimal digits and never repeat; events are `gap_ms` apart in event time.
    Speed: over 100,000 events a second after the templates are drawn. Raises `ValueError` if a size is out of range.
    """
    if n_events < 0 or batch < 1 or gap_ms < 0:
        raise ValueError("n_events, batch and gap_ms must not be negative, and a batch holds at least one event")
    templates = _templates(population, seed, start_ms, lean=lean)
    for first in range(0, n_events, batch):
        numbers = np.arange(first, min(first + batch, n_events))
        times = _texts(start_ms + numbers * gap_ms)
        out = []
        for number, time in zip(numbers.tolist(), times, strict=True):
            key, before, between, after = templates[number % len(templates)]
            out.append((key, b"%bsoak%012x%b%b%b" % (before, number, between, time, after)))
        yield out


@lru_cache(maxsize=2)
def _templates(population: int, seed: int, start_ms: int, *, lean: bool) -> list[tuple[bytes, bytes, bytes, bytes]]:
    """Draw events and split each at its id and its time: key, text before the id, between them, after the time.

    Kept, because a test or a bench reads the same stream several times.
    """
    config = SimulatorConfig(
        seed=seed,
        start_ms=start_ms,
        days=1,
        cards=max(100, population),
        merchants=max(60, min(2_000, population // 20)),
        events_per_day=max(200, min(_TEMPLATES_MAX, 2 * population)),
        episodes=EpisodeRates(t1=0.0),
    )
    out: list[tuple[bytes, bytes, bytes, bytes]] = []
    for item in Simulator(config).traffic():
        if item.topic == "authorizations" and len(out) < _TEMPLATES_MAX:
            value = _slim(item.value) if lean else item.value
            out.append((item.key, *_cut(_AUTHENTICATED_AT.sub(b"", value))))
    return out


def _slim(value: bytes) -> bytes:
    event = orjson.loads(value)
    for section, field in _UNREAD:
        event.get(section, {}).pop(field, None)
    return orjson.dumps(event)


def _cut(value: bytes) -> tuple[bytes, bytes, bytes]:
    at_id = value.index(_ID) + len(_ID)
    id_end = value.index(b'"', at_id)
    at_time = value.index(_TS, id_end) + len(_TS)
    time_end = value.index(b'Z"', at_time)
    return value[:at_id], value[id_end:at_time], value[time_end:]


def _texts(times_ms: NDArray[np.int64]) -> list[bytes]:
    texts: list[bytes] = np.datetime_as_string(times_ms.astype("datetime64[ms]")).astype("S23").tolist()
    return texts
