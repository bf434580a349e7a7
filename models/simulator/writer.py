"""JSON lines of a stream, for files and pipes."""

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
    """Return `{"event_id","fraud","typology","episode","amount_jpy"}` as one line; with `known_at_ms` for frauds."""
    fields = truth._asdict()
    if truth.known_at_ms is None:
        del fields["known_at_ms"]
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
