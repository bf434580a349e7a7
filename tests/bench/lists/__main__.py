"""`python -m tests.bench.lists [ENTRIES]`: time and memory of lists: read, kept and looked up.

Every event carries a value of each kind, and none is in a list, which costs most. `cold`: the caches of the processor
are overwritten before each batch, more than a worker does between two.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from statistics import median

import numpy as np

from scoring.decode import Decoded, DecodeLimits, decode
from scoring.lists import KINDS, DatedEntries, DatedLimits, ListReader, ListTable
from scoring.policy import ListJudge, policy_from
from scoring.policy.table import Judged
from tests.bench.lists.entries import END, chunks
from tests.events import encoded, token

ROUNDS = 100
CACHES_BYTES = 64 << 20


def main() -> None:
    """Build a table of random tokens, and look up batches in it and in an empty one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists", description=main.__doc__)
    parser.add_argument("entries", type=int, nargs="?", default=1_000_000)
    entries = parser.parse_args().entries
    table, before = ListTable(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    readers = [ListReader(table, number, kind, "acq-1" if number % 2 else None) for number, kind in enumerate(KINDS)]
    readers[KINDS.index("bin")].feed(b"value,effective_to\n" + b"".join(b"%06d" % k + END for k in range(1_000)))
    tokens = [reader for reader in readers if reader is not readers[KINDS.index("bin")]]
    for reader in tokens:
        reader.feed(b"value,effective_to\n")
    seconds = 0.0
    for turn, lines in enumerate(chunks(entries)):
        began = time.process_time()
        tokens[turn % len(tokens)].feed(lines)
        seconds += time.process_time() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(f"{len(table):,} entries: read in {seconds:.2f} s of the processor, {seconds / len(table) * 1e6:.3f} us each")
    print(f"memory: {table.nbytes / len(table):.1f} bytes an entry, {peak / len(table):.1f} at most while it grew")
    rules = policy_from(
        {
            "version": "1",
            "global": {"review": 700, "step_up": 800, "block": 900},
            "lists": [
                {"id": kind, "kind": kind, "direction": "allow", "acquirer": "acq-1", "author": "a", "reason": "b"}
                for kind in KINDS
            ],
        }
    ).lists
    nothing = DatedEntries(DatedLimits(), frozenset())
    events = decode([encoded(**every_kind(number)) for number in range(2_000)], DecodeLimits())
    for size in (500, 2_000):
        for name, judge in (
            ("lists", ListJudge(rules, table, nothing)),
            ("none", ListJudge([], ListTable(), nothing)),
        ):
            warm, cold = (median(look_ups(events, size, judge, is_cold)) for is_cold in (False, True))
            print(f"batch of {size:,}, {name}: {warm:.3f} us an event, {cold:.3f} cold")


def every_kind(number: int) -> dict[str, object]:
    """Return the changes of an event that carries a value of every kind."""
    return {
        "event_id": f"e-{number}",
        "card": {"pan_hmac": token(f"card-{number}"), "bin": "999999"},
        "device": {"fp_hmac": token(f"device-{number}")},
        "shopper": {"account_hmac": token(f"account-{number}"), "email_hmac": token(f"email-{number}")},
        "net": {"ip_hmac": token(f"ip-{number}"), "ip_prefix24_hmac": token(f"network-{number}")},
        "ship": {"addr_hmac": token(f"address-{number}")},
    }


def look_ups(events: Decoded, size: int, judge: ListJudge, is_cold: bool) -> Sequence[float]:
    """Return the us an event of each round."""
    ints, hashes = events.ints[:size].copy(), events.hashes[:size].copy()
    at_ms, zeros = ints[:, 0].copy(), np.zeros(size, dtype=np.int64)
    caches, found = np.zeros(CACHES_BYTES // 8), []
    for _ in range(ROUNDS):
        if is_cold:
            caches += 1.0
        began = time.perf_counter()
        judge.judge(ints, hashes, at_ms, at_ms, Judged(zeros, frozenset(), zeros), bool)
        found.append((time.perf_counter() - began) / size * 1e6)
    return found


if __name__ == "__main__":
    main()
