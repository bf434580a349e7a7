"""JSON lines of a stream: what a pipe, a file and another program can read."""

from collections.abc import Iterable, Iterator

import orjson

from models.simulator.stream import Item, Truth


def event_line(item: Item) -> bytes:
    """Return `{"topic","key","at_ms","value"}` as one line; the value is copied byte for byte."""
    return b'{"topic":"%b","key":"%b","at_ms":%d,"value":%b}\n' % (
        item.topic.encode(),
        item.key,
        item.at_ms,
        item.value,
    )


def truth_line(truth: Truth) -> bytes:
    """Return `{"event_id","fraud","typology","episode","amount_jpy"}` as one line."""
    return orjson.dumps(truth._asdict(), option=orjson.OPT_APPEND_NEWLINE)


def read_truth(lines: Iterable[bytes]) -> Iterator[Truth]:
    """Yield back what `truth_line` wrote. Raises `TypeError` or `orjson.JSONDecodeError` on anything else."""
    for line in lines:
        yield Truth(**orjson.loads(line))
