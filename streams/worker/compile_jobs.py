"""Run each kernel once with the argument types of a worker, in two parts for two processes.

A process compiles all helpers that its kernels call, so kernels that share helpers are in one part. The kernels of the
model are in neither part: their arguments come from a bundle.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import orjson
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from numpy.typing import NDArray

from scoring import threeds
from scoring.decode import Col, DecodeLimits
from scoring.decode.hashing import KEYS, PARTS, entity_keys
from scoring.decode.page import lay_out
from scoring.decode.read import decode_event, read_batch, read_event
from scoring.decode.scan import scan_batch, scan_text
from scoring.features.payment import PAYMENT_FEATURES, fill_payment_features
from scoring.merchants.store import MerchantStore
from scoring.observer import columns_of
from scoring.profile import PROFILE_FEATURES, EventColumns, ProfileLimits, Profiles, Reports
from scoring.profile.columns import empty
from scoring.profile.packed import KEY_WORDS, Packed
from scoring.profile.proofs import Proofs
from scoring.profile.siblings import run_siblings
from scoring.reference.threeds import reference
from scoring.threeds.settings import ThreeDsSettings
from scoring.watching.watch import run_watch
from streams.records.batches import Fetched
from streams.state.log.blocks import blocks

TIME: Final = "2026-01-01T00:00:00Z"
TIME_MS: Final = 1_767_225_600_000
EVENT: Final = {
    "event_id": "warm-up",
    "event_ts": TIME,
    "acquirer": {"id": "a"},
    "merchant": {"id": "m", "mcc": "5732", "country": "JP"},
    "card": {"pan_hmac": "c", "network": "visa", "bin": "400000"},
    "txn": {"type": "purchase", "channel": "ecom", "initiator": "CIT"},
    "amount": {"minor": 1, "currency": "JPY", "exponent": 0},
    "outcome": {"phase": "PRE_AUTH"},
}
ROWS: Final = ProfileLimits(card=16, merchant=16, merchant_bin=16, bin=16, device=16, ip=16, account=16, address=16)


def run_profiles() -> None:
    """Run the kernels of events and outcomes on empty columns, which have the same types as full ones."""
    profiles, events = Profiles(ROWS), empty(EventColumns, 0)
    profiles.read_then_update(events, np.empty((0, len(PROFILE_FEATURES))), 0)
    profiles.take_outcomes(events)


def run_reports() -> None:
    """Run the kernels of fraud reports without a report."""
    Profiles(ROWS).report(empty(Reports, 0))


def run_changelog() -> None:
    """Write the rows of empty profiles and restore them."""
    changelog = Profiles(ROWS).changelog
    for rows in changelog.flush(0):
        changelog.restore(0, rows)
        changelog.rewrite(0, rows.keys)
    changelog.settle()
    changelog.forget_cards(0)


def run_guard() -> None:
    """Run the guard on a record and on a text."""
    page, _ = lay_out([orjson.dumps(EVENT)], DecodeLimits())
    scan_batch(page.data, page.stops, page.longest, DecodeLimits().depth_max)
    scan_text(b"warm-up")


def run_reader() -> None:
    """Read a record in both ways, and hash the keys of a report."""
    limits, value = DecodeLimits(), orjson.dumps(EVENT)
    page, _ = lay_out([value], limits)
    read_event(decode_event(value), limits, read_batch(page, limits), 0)
    entity_keys(("",) * PARTS, frozenset())


def run_features() -> None:
    """Run the kernels of features without an event."""
    merchants = MerchantStore(1)
    ints, hashes, rows = np.empty((0, len(Col)), np.int64), np.empty((0, KEYS), np.uint64), np.empty(0, np.int64)
    verdicts = np.empty((0, threeds.VERDICT_COLUMNS), np.int64)
    tables = threeds.tables_of(reference(), ThreeDsSettings().amount_tolerance)
    threeds.normalise(ints, merchants.table, rows, verdicts, tables)
    fill_payment_features(ints, hashes, merchants.table, rows, verdicts, np.empty((0, len(PAYMENT_FEATURES))))
    columns_of(ints, hashes, verdicts, np.empty(0, np.bool_))
    none, sums, auths = np.empty(0, np.bool_), threeds.Sums(), threeds.Authentications()
    threeds.find_replays(Proofs(1, 1), ints, hashes, none, tables, 0, verdicts, sums, auths)


def run_results() -> None:
    """Compare no payments with results of 3-D Secure."""
    threeds.run_results(*_no_payments())


def run_jumps() -> None:
    """Count no payments for their merchants, to find jumps in the shares of 3-D Secure."""
    threeds.run_jumps(*_no_payments())


def _no_payments() -> tuple[NDArray[np.int64], NDArray[np.uint64], threeds.Tables, NDArray[np.int64]]:
    ints, hashes = np.empty((0, len(Col)), np.int64), np.empty((0, KEYS), np.uint64)
    return ints, hashes, threeds.tables_of(reference()), np.empty((0, threeds.VERDICT_COLUMNS), np.int64)


def run_records() -> None:
    """Read a fetched record batch, and write a row as one."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 10)
    builder.append(0, TIME_MS, b"key", b"value", [])
    for batch in Fetched(bytes(builder.build())):
        assert batch.records(1 << 10).payloads == [b"value"]
    blocks(Packed(np.zeros((1, KEY_WORDS), np.uint32), np.zeros(1, np.uint32), np.ones(1, np.int64)), TIME_MS, 1 << 10)


OF_PROFILES: Final[tuple[Callable[[], None], ...]] = (
    run_profiles,
    run_changelog,
    run_reports,
    run_records,
    run_siblings,
)
OTHERS: Final[tuple[Callable[[], None], ...]] = (run_reader, run_guard, run_features, run_results, run_jumps, run_watch)
"""The kernels of this part take as long to compile, with the model, as those of the first, and share no helpers."""
