"""Entries of the topic in the decisions of the engine."""

from typing import Any

import pytest

from scoring.compiled import ListFiles
from scoring.decode import DecodeLimits
from scoring.engine import Engine
from scoring.lists import DatedLimits, ListReader, ListTable
from scoring.observer import Settings
from scoring.policy import policy_from
from scoring.profile import ProfileLimits
from tests.bundles import small_bundle
from tests.events import encoded, token
from tests.lists.test_dated import entry
from tests.lists.test_decisions import DENY, EVENT_MS, GIVEN, OFF, decisions, hit, score

TOPIC = DENY | {"source": "topic"}
KEY = f"stolen/{token('card-1')}".encode()
LATER_MS = EVENT_MS + 10**9
DELAY_MS = 5_000


def new_engine(*lists: dict[str, Any], files: ListFiles | None = None) -> Engine:
    settings = Settings(decode=DecodeLimits(), profiles=ProfileLimits(), dated=DatedLimits(delay_ms=DELAY_MS))
    policy = policy_from({"version": "t", "global": OFF, "lists": list(lists)})
    return Engine(small_bundle(), policy, settings, "test", files)


def in_force(engine: Engine, value: bytes | None, at_ms: int = EVENT_MS - DELAY_MS) -> None:
    engine.list_entries([KEY], [value], [at_ms])


def test_an_entry_of_the_topic_denies_and_the_decision_names_the_delay() -> None:
    engine = new_engine(TOPIC)
    (before,) = decisions(score(engine, encoded()))
    in_force(engine, entry("card", None, LATER_MS))
    (denied,) = decisions(score(engine, encoded(event_id="e-2")))
    in_force(engine, None)
    (removed,) = decisions(score(engine, encoded(event_id="e-3")))
    assert [one.list_hits for one in (before, denied, removed)] == [None, [hit(TOPIC, "RAISED")], None]
    assert [one.band for one in (before, denied, removed)] == ["ALLOW", "STEP_UP", "ALLOW"]
    assert denied.versions.lists == "topic/5000ms"


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (TOPIC | {"mode": "off"}, entry("card", None, LATER_MS)),
        (TOPIC | {"kind": "device"}, entry("card", None, LATER_MS)),
        (TOPIC | {"acquirer": "acq-1"}, entry("card", None, LATER_MS)),
        (TOPIC, entry("card", "acq-1", LATER_MS)),
        (TOPIC | {"id": "other"}, entry("card", None, LATER_MS)),
    ],
)
def test_an_entry_counts_only_in_the_list_that_it_names(rule: dict[str, Any], value: bytes) -> None:
    engine = new_engine(rule)
    in_force(engine, value)
    (made,) = decisions(score(engine, encoded()))
    assert (made.band, made.list_hits) == ("ALLOW", None)


@pytest.mark.parametrize(("ahead_ms", "hits"), [(0, True), (1_000, False), (-1_000, True)])
def test_the_earlier_of_the_payments_time_and_its_records_counts(ahead_ms: int, hits: bool) -> None:
    engine = new_engine(TOPIC)
    in_force(engine, entry("card", None, LATER_MS))
    (made,) = decisions(score(engine, encoded(), stamp_ms=EVENT_MS - ahead_ms))
    assert bool(made.list_hits) == hits


def test_lists_of_files_and_of_the_topic_are_told_together() -> None:
    table = ListTable()
    lines = f"value,effective_to\n{token('card-1')},2030-01-01T00:00:00Z\n".encode()
    ListReader(table, 0, "card", None).feed(lines, is_last=True)
    of_file = {"id": "filed", "kind": "card", "direction": "deny", "action": "review", **GIVEN}
    engine = new_engine(of_file, TOPIC, files=ListFiles(table, "abc"))
    in_force(engine, entry("card", None, LATER_MS))
    (made,) = decisions(score(engine, encoded()))
    assert made.list_hits == [hit(of_file, "NO_CHANGE"), hit(TOPIC, "RAISED")]
    assert made.versions.lists == "abc+topic/5000ms"


def test_lists_of_files_alone_say_nothing_of_the_topic_and_meet_none_of_its_entries() -> None:
    table = ListTable()
    table.seek("card", False)
    engine = new_engine(DENY, files=ListFiles(table, "abc"))
    in_force(engine, entry("card", None, LATER_MS))
    (made,) = decisions(score(engine, encoded()))
    assert (made.versions.lists, made.list_hits) == ("abc", None)
