"""A Metadata request in two versions, whose answers are read into the same form."""

from io import BytesIO
from typing import Any

import pytest

from streams.kafka.metadata import MetadataRequest, TopicMetadata, _Response8, _Response10, topics_of

TOPIC_ID = bytes(range(16))


@pytest.mark.parametrize(("highest", "version"), [(8, 8), (9, 8), (10, 10), (13, 10)])
def test_the_highest_version_is_sent_that_the_broker_knows(highest: int, version: int) -> None:
    assert version == MetadataRequest(["a"]).prepare({3: (0, highest)}).API_VERSION


def test_a_broker_that_knows_neither_version_is_an_error() -> None:
    with pytest.raises(NotImplementedError):
        MetadataRequest(["a"]).prepare({3: (0, 7)})


@pytest.mark.parametrize("with_rights", [True, False])
def test_no_topic_is_created_and_rights_are_asked_for_only_where_they_are_wanted(with_rights: bool) -> None:
    for highest in (8, 10):
        request = MetadataRequest(["a"], with_rights=with_rights).prepare({3: (0, highest)})
        assert request.allow_auto_topic_creation is False
        assert request.include_cluster_authorized_operations is False
        assert request.include_topic_authorized_operations is with_rights


@pytest.mark.parametrize(("kind", "has_ids"), [(_Response8, False), (_Response10, True)])
def test_both_answers_are_read_into_the_same(kind: Any, has_ids: bool) -> None:
    tags: tuple[Any, ...] = ({},) if has_ids else ()
    part = (0, 0, 1, 5, [1], [1], [], *tags)

    def topic(code: int, name: str, topic_id: bytes, parts: list[Any], rights: int) -> tuple[Any, ...]:
        return (code, name, *((topic_id,) if has_ids else ()), False, parts, rights, *tags)

    topics = [topic(0, "a", TOPIC_ID, [part, part], 24), topic(29, "b", bytes(16), [], -(1 << 31))]
    answer = kind(7, [(1, "host", 9092, None, *tags)], "cluster", 1, topics, -(1 << 31), *tags)
    read = kind.decode(BytesIO(answer.encode()))
    assert topics_of(read) == [
        TopicMetadata(0, "a", TOPIC_ID.hex() if has_ids else "", 2, 24),
        TopicMetadata(29, "b", "", 0, -(1 << 31)),
    ]
