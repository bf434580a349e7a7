"""`python -m tests.bench.policy_cost`: what 50 rules and a million entries of lists cost an event, beside none.

Both engines score the same batches in turn in one process. The measure is the processor's time of the whole core, from
bytes to bytes. A worker spends more on an event than its core: `make bench` compares with its events a second.
"""

import argparse
import gc
import time
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

import msgspec

from scoring.clock import UNDATED
from scoring.compiled import ListFiles
from scoring.engine import Engine
from scoring.lists import KINDS, ListReader, ListTable
from scoring.outputs import Source
from scoring.policy import Policy, policy_from
from streams.config.policies import load_policy
from streams.config.settings import Settings
from streams.config.wiring import build_engine, engine_settings
from tests.bench.lists.entries import END, chunks
from tests.bench.run import traffic
from tests.bench.stages import BATCH

RULES: Final = 50
ENTRIES: Final = 1_000_000
EVENTS: Final = 60_000
_WARM_SHARE: Final = 0.25

_CONDITIONS: Final = (
    "payment.amount_jpy >= {n}60000 && payment.channel == 'ecom'",
    "account_new_device == 1.0 && payment.amount_jpy >= {n}000000",
    "score >= 9{n:02} && payment.mcc == '57{n:02}'",
    "tds.status == 'NOT_AUTHENTICATED' && payment.amount_jpy > {n}500000",
    "payment.channel == 'moto' && score > 9{n:02} || payment.amount_jpy > {n}900000",
)
"""Of the kinds that the page on rules shows. Only the first kind hits, and is in shadow: an alert costs some 100 us,
whoever raises it."""


def main() -> None:
    """Measure, and print the share."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.policy_cost", description=main.__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--events", type=int, default=EVENTS)
    options = parser.parse_args()
    cost = policy_cost([value for _, value in traffic(options.events)], options.entries)
    print(f"{RULES} rules and {options.entries:,} entries of lists: {cost.with_us:.2f} us an event of the processor")
    part = 100 * cost.more_us / cost.without_us
    print(f"without: {cost.without_us:.2f} us; {cost.more_us:.2f} us or {part:.1f}% of the core more")
    print(f"hits of rules: {cost.hits} of {options.events:,} events")


class Cost(NamedTuple):
    """The us of the processor that an event takes with rules and lists, and without; and how many events rules hit."""

    with_us: float
    without_us: float
    hits: int

    @property
    def more_us(self) -> float:
        """How much more an event takes with them."""
        return self.with_us - self.without_us


def policy_cost(values: Sequence[bytes], entries: int = ENTRIES) -> Cost:
    """Score events with rules and lists, and without. The times are medians of batches."""
    engines = (engine_with(entries), build_engine(Settings()))
    took: tuple[list[float], list[float]] = ([], [])
    hits = 0
    gc.collect()
    gc.freeze()
    for turn, start in enumerate(range(0, len(values) - BATCH + 1, BATCH)):
        batch = values[start : start + BATCH]
        source = Source(topic="authorizations", partition=0, offsets=range(BATCH), timestamps_ms=[UNDATED] * BATCH)
        for k in (0, 1) if turn % 2 else (1, 0):
            began = time.process_time_ns()
            made = engines[k].score(batch, source, received_at_ms=2**43, decided_at_ms=lambda: 0)
            took[k].append((time.process_time_ns() - began) / BATCH / 1000)
            hits += sum(b'"rule_hits":[' in value for _, value in made.decisions)
    warm = int(len(took[0]) * _WARM_SHARE)
    return Cost(median(took[0][warm:]), median(took[1][warm:]), hits)


def engine_with(entries: int) -> Engine:
    """Build the engine of the default settings with 50 rules and a list of each kind, full of random values."""
    settings = Settings()
    policy = policy_with(load_policy(settings))
    table = ListTable(frozenset(settings.profiles.joined_entities))
    table.reserve(entries)
    readers = [
        ListReader(table, number, kind, "acq-1" if kind == "merchant" else None) for number, kind in enumerate(KINDS)
    ]
    for reader in readers:
        reader.feed(b"value,effective_to\n")
    readers[KINDS.index("bin")].feed(b"".join(b"%06d" % k + END for k in range(1_000)))
    others = [reader for kind, reader in zip(KINDS, readers, strict=True) if kind != "bin"]
    for turn, lines in enumerate(chunks(entries - 1_000)):
        others[turn % len(others)].feed(lines)
    plain = build_engine(settings)
    return Engine(plain.model, policy, engine_settings(settings), "bench", ListFiles(table, "bench"))


def policy_with(policy: Policy) -> Policy:
    """Return a policy with rules and lists."""
    given = {"author": "a", "reason": "b"}
    rules = [
        {
            "id": f"rule-{n}",
            "mode": "on" if n % len(_CONDITIONS) else "shadow",
            "when": _CONDITIONS[n % len(_CONDITIONS)].format(n=n + 1),
            "action": "review",
            "text": {"en": "A rule", "ja": "ルール"},
            **given,
        }
        for n in range(RULES)
    ]
    lists = [
        {"id": kind, "kind": kind, "direction": "deny", "action": "block", **given}
        | ({"acquirer": "acq-1"} if kind == "merchant" else {})
        for kind in KINDS
    ]
    return policy_from(msgspec.to_builtins(policy) | {"rules": rules, "lists": lists})


if __name__ == "__main__":
    main()
