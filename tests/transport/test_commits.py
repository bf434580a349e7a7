"""Two policies of what may be committed: the watermark, or the durable input below it."""

import pytest
from faust.types import TP

from streams.transport.commits import DurableCommits, WatermarkCommits
from streams.transport.window import AckWindow

HERE, THERE = TP("authorizations", 0), TP("authorizations", 1)


def windows() -> dict[TP, AckWindow]:
    found = {HERE: AckWindow(), THERE: AckWindow()}
    found[HERE].finish(found[HERE].deliver(0, 7, 0))
    found[THERE].deliver(3, 9, 0)
    return found


def test_without_profiles_the_watermark_is_committed() -> None:
    commits = WatermarkCommits()
    assert set(commits.partitions(windows())) == {HERE, THERE}
    assert commits.offset(HERE, windows()) == 7
    assert commits.offset(THERE, windows()) is None, "no event of it is finished"
    assert commits.offset(TP("other", 0), windows()) is None
    assert not commits.positions


@pytest.mark.parametrize("call", ["start_from", "make_durable"])
def test_without_profiles_nothing_is_made_durable(call: str) -> None:
    with pytest.raises(AssertionError, match="enabled is false"):
        getattr(WatermarkCommits(), call)(*([{}] if call == "start_from" else [HERE, 1]))


def test_with_profiles_only_durable_input_is_committed() -> None:
    commits = DurableCommits()
    assert commits.partitions(windows()) == []
    assert commits.offset(HERE, windows()) is None
    commits.start_from({HERE: 4})
    assert commits.offset(HERE, windows()) == 4
    commits.make_durable(HERE, 6)
    assert (commits.partitions(windows()), commits.positions) == ([HERE], {HERE: 6})


def test_a_new_assignment_replaces_the_old_one_and_a_revoked_partition_is_dropped() -> None:
    commits = DurableCommits()
    commits.start_from({HERE: 4, TP("authorizations", 2): 9})
    positions = {THERE: 2, HERE: 5}
    commits.start_from(positions)
    commits.forget(HERE)
    commits.forget(TP("other", 0))
    assert commits.positions == {THERE: 2}
    assert positions == {THERE: 2, HERE: 5}, "the caller's mapping must not change"
