"""Contents of policies as rows: whole and unchanged after any flush and restore, or not there."""

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.policy import Policy, policy_from
from scoring.policy.record import PIECE_BYTES, PolicyRecord, PolicyRows, record_of
from scoring.profile.packed import POLICY, ROW_FORMAT, Packed, RowFormatError, side_keys
from tests.examples import examples
from tests.state.policies.world import BLIND, MILD, STRICT
from tests.state.rows import pairs

FILES = (MILD, STRICT, BLIND)


def recorded(policy: Policy) -> PolicyRecord:
    return record_of(policy.identity, policy.content)


def large() -> Policy:
    """Make a policy whose content takes several rows."""
    random, levels = np.random.default_rng(3), {"review": 100, "step_up": 200, "block": 300}
    merchants = [{"acquirer": "a", "merchant": random.bytes(12).hex(), "thresholds": levels} for _ in range(3_000)]
    return policy_from({"version": "l", "global": levels, "merchants": merchants})


def owner() -> PolicyRows:
    rows = PolicyRows()
    rows.own(0)
    return rows


def test_a_content_of_many_rows_is_what_it_was() -> None:
    policy, before, after = large(), owner(), owner()
    before.keep(0, [recorded(policy)])
    packed = before.flush(0)
    sizes = np.diff(packed.ends, prepend=0) * 4
    assert len(packed) > 3
    assert sizes.max() <= PIECE_BYTES + 12
    after.restore(0, packed)
    content = after.content(0, policy.identity)
    assert content == policy.content
    assert msgspec.json.decode(content, type=Policy) == policy


def test_the_row_of_a_content_is_its_zlib_stream_behind_format_and_length() -> None:
    rows = owner()
    rows.keep(0, [recorded(MILD)])
    ((key, value),) = pairs(rows.flush(0))
    assert value is not None
    made = zlib.compress(MILD.content)
    assert key == ((POLICY << 24).to_bytes(4, "little") + (int(MILD.digest, 16) << 16).to_bytes(8, "little"))
    assert value[:8] == ROW_FORMAT.to_bytes(4, "little") + len(made).to_bytes(4, "little")
    assert value[8:].rstrip(b"\0") == made.rstrip(b"\0")


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(st.sets(st.sampled_from(range(3))), st.booleans()), max_size=8), st.integers(0, 8))
def test_a_log_has_the_contents_that_were_kept_at_its_last_flush(acts: list[tuple[set[int], bool]], until: int) -> None:
    rows, log, kept = owner(), dict[bytes, bytes | None](), set[int]()
    for wanted, is_flushed in acts:
        rows.keep(0, [recorded(FILES[n]) for n in sorted(wanted)])
        if is_flushed:
            log.update(pairs(rows.flush(0)))
            kept = wanted
            assert not rows.is_due(0)
    filled = {key: value for key, value in log.items() if value is not None}
    assert len(filled) == len(kept)
    again = owner()
    keys = np.frombuffer(b"".join(filled), dtype="<u4").reshape(-1, 3)
    values = [value for value in filled.values() if value is not None]
    ends = np.cumsum([len(value) // 4 for value in values], dtype=np.int64)
    again.restore(0, Packed(keys, np.frombuffer(b"".join(values), dtype="<u4"), ends))
    found = {n for n in range(3) if again.content(0, FILES[n].identity) is not None}
    assert found == kept
    others = set(range(until % 4))
    again.keep(0, [], [FILES[n].identity for n in others & kept])
    assert {n for n in range(3) if again.content(0, FILES[n].identity) is not None} == others & kept
    assert again.is_due(0) == bool(kept - others)


def test_what_a_partition_does_not_own_is_neither_kept_nor_flushed() -> None:
    rows = owner()
    rows.keep(1, [recorded(MILD)])
    assert (len(rows.flush(1)), rows.is_due(1), rows.content(1, MILD.identity)) == (0, False, None)
    rows.keep(0, [recorded(MILD)])
    rows.leave(0)
    assert (len(rows.flush(0)), rows.is_due(0)) == (0, False)
    rows.forget(0)
    assert rows.content(0, MILD.identity) is None


def test_a_content_that_lacks_a_row_or_was_changed_is_not_there() -> None:
    policy, rows = large(), owner()
    record = recorded(policy)
    for missing in (min(record.rows), max(record.rows)):
        rows.keep(0, [PolicyRecord(policy.identity, {k: v for k, v in record.rows.items() if k != missing})])
        assert rows.content(0, policy.identity) is None
    rows.keep(0, [record])
    assert rows.content(0, policy.identity) is not None
    other = record_of(policy.identity, MILD.content)
    rows.keep(0, [other])
    assert rows.content(0, policy.identity) is None, "its digest is another one"


@pytest.mark.parametrize("name", ["", "t", "t+", "t+12345678901", "t+123456789ABC", f"t+{'0' * 13}"])
def test_a_name_that_is_no_identity_has_no_content(name: str) -> None:
    rows = owner()
    rows.keep(0, [recorded(MILD)])
    assert rows.content(0, name) is None


@pytest.mark.parametrize("words", [[ROW_FORMAT], [ROW_FORMAT, 5, 0], [ROW_FORMAT, 1 << 31, 0]])
def test_a_damaged_row_is_refused(words: list[int]) -> None:
    keys = side_keys(POLICY, 0, np.array([1], dtype=np.uint64))
    packed = Packed(keys, np.array(words, dtype=np.uint32), np.array([len(words)], dtype=np.int64))
    with pytest.raises(RowFormatError, match="row 0 of POLICY is damaged"):
        owner().restore(0, packed)


def test_keys_that_a_crashed_flush_left_are_written_again_or_deleted() -> None:
    rows, other = owner(), owner()
    rows.keep(0, [recorded(MILD)])
    rows.flush(0)
    other.keep(0, [recorded(MILD), recorded(STRICT)])
    rows.rewrite(0, other.flush(0).keys)
    found = dict(pairs(rows.flush(0)))
    assert sorted(value is None for value in found.values()) == [False, True]
