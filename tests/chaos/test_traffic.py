from collections import Counter, defaultdict
from dataclasses import replace
from itertools import accumulate

from scoring.decode import DecodeLimits, decode
from tests.chaos.traffic import Mix, Traffic, event_id, is_bad
from tests.examples import examples, is_quick


def test_it_is_the_same_every_time() -> None:
    traffic = Traffic(events=examples(2_000), partitions=3)
    events = list(traffic)
    assert events == list(traffic)
    assert events != list(replace(traffic, seed=1))


def test_it_holds_every_event_and_repeats_close_to_their_first() -> None:
    number = 5_000 if is_quick() else 20_000
    events = list(Traffic(events=number, mix=Mix(repeated=0.05, bad=0.0)))
    counts = Counter(event_id(event.value) for event in events)
    assert len(counts) == number
    assert 0.04 < sum(count - 1 for count in counts.values()) / number < 0.06
    of_card: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for event in events:
        seen = of_card[event.key]
        name = event_id(event.value)
        if name in seen:
            assert len(set(seen[seen.index(name) + 1 :])) <= 5, "a card's row keeps its last six ids"
        seen.append(name)


def test_it_is_out_of_order_in_moderation() -> None:
    times = [event.at_ms for event in Traffic(events=5_000, mix=Mix(repeated=0.0))]
    late = [latest - time for latest, time in zip(accumulate(times, max), times, strict=True) if latest > time]
    assert 50 < len(late) < 200
    assert max(late) < 1_000


def test_exactly_what_is_marked_bad_is_refused() -> None:
    values = [event.value for event in Traffic(events=3_000, mix=Mix(bad=0.2))]
    rejects = {position for position, _ in decode(values, DecodeLimits()).rejects}
    assert rejects == {position for position, value in enumerate(values) if is_bad(value)}
    assert len(rejects) > 500


def test_a_card_keeps_its_partition() -> None:
    partitions = defaultdict(set)
    for event in Traffic(events=5_000, partitions=6):
        partitions[event.key].add(event.partition)
    assert all(len(found) == 1 for found in partitions.values())
    assert {number for found in partitions.values() for number in found} == set(range(6))
