"""The real worker with more in its decisions: `python -m tests.chaos.worker worker --config FILE`.

Decisions carry no features, so they cannot show whether two runs over several partitions saw the same. Here each has a
last field `chaos`: a digest of the card's features, and the counts of entities shared between partitions. The client
ids begin with the name of FILE, so a proxy knows whose request it has. Everything else is what `sekisho` runs.
"""

import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aiokafka.client import AIOKafkaClient

from scoring.decode import Col
from scoring.engine import Engine
from scoring.features.all import FEATURES
from scoring.observer import Observed
from scoring.profile import Entity
from scoring.profile.features import PROFILE_FEATURES
from streams import cli
from streams.config import wiring

FIRST = len(FEATURES) - len(PROFILE_FEATURES)
CARD_COLUMNS = [FIRST + place for place, feature in enumerate(PROFILE_FEATURES) if feature.name.startswith("card_")]
COUNTS = {
    Entity.MERCHANT: "merchant_attempts_24h",
    Entity.DEVICE: "device_attempts_24h",
    Entity.IP: "ip_attempts_1h",
    Entity.ACCOUNT: "account_attempts_24h",
    Entity.ADDRESS: "address_attempts_24h",
}
"""Counts of attempts over windows longer than the traffic, so no count ever falls."""

_COLUMN = {feature.name: column for column, feature in enumerate(FEATURES)}


def telling(engine: Engine) -> Engine:
    """Add what an engine saw to its decisions, whatever arguments it is called with."""
    observe, score = engine.observer.observe, engine.score
    seen: dict[bytes, bytes] = {}

    def observe_and_keep(*arguments: Any, **options: Any) -> Observed:
        observed = observe(*arguments, **options)
        seen.clear()
        seen.update(_extras(observed))
        return observed

    def score_and_tell(*arguments: Any, **options: Any) -> Any:
        outputs = score(*arguments, **options)
        outputs.decisions[:] = [(key, value[:-1] + seen[_id(value)]) for key, value in outputs.decisions]
        return outputs

    engine.observer.observe = observe_and_keep  # type: ignore[method-assign]  # the point of this module
    engine.score = score_and_tell  # type: ignore[method-assign]  # the same
    return engine


def _id(decision: bytes) -> bytes:
    start = decision.index(b'"decision_id":"') + len(b'"decision_id":"')
    return decision[start : decision.index(b'"', start)]


def _extras(observed: Observed) -> list[tuple[bytes, bytes]]:
    matrix, decoded = observed.matrix, observed.decoded
    card = np.ascontiguousarray(matrix[:, CARD_COLUMNS])
    card[np.isnan(card)] = -1.0  # one representation of NaN
    counts = np.nan_to_num(matrix[:, [_COLUMN[name] for name in COUNTS.values()]], nan=-1.0).astype(np.int64).tolist()
    keys = decoded.hashes[:, [1 + entity for entity in COUNTS]].tolist()
    kinds = decoded.ints[:, Col.KIND].tolist()
    extras = []
    for row, again in enumerate(observed.repeats.tolist()):
        if not again:
            shared = [list(pair) for pair in zip(keys[row], counts[row], strict=True)]
            text = f',"chaos":{{"card":{zlib.crc32(card[row].tobytes())},"kind":{kinds[row]},"shared":{shared}}}}}'
            extras.append((decoded.names[row][0], text.encode()))
    return extras


def name_clients(name: str) -> None:
    """Put `name/` before the id of every client that this process makes from now on: `name/sekisho`."""
    begin = AIOKafkaClient.__init__

    def begin_named(client: AIOKafkaClient, *, client_id: str, **options: Any) -> None:
        begin(client, client_id=f"{name}/{client_id}", **options)

    AIOKafkaClient.__init__ = begin_named


def main(arguments: Sequence[str]) -> int:
    """Run `sekisho` with engines that add what they saw, and with clients named after its configuration."""
    name_clients(Path(arguments[arguments.index("--config") + 1]).stem)
    build = wiring.build_engine
    wiring.build_engine = lambda *settings, **options: telling(build(*settings, **options))
    return cli.main(list(arguments))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
