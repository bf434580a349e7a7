"""`sekisho score`: decide one event without Kafka."""

import json
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import orjson

from scoring.clock import UNDATED
from scoring.decode import decode
from scoring.decode.read.near import Oddity, oddities
from scoring.outputs import Outputs, Source
from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.config.wiring import build_engine, engine_settings
from streams.console.status import EXIT_OK, EXIT_REFUSED, show, tell

READ_BYTES_MAX = 1 << 21
"""More than the largest event (`decode.bytes_max`). Further bytes are not read, and the event is refused."""


@reported("score")
def run(arguments: Namespace) -> int:
    """Decide the event on standard input and print its decision."""
    settings = Settings() if arguments.config is None else load_settings(arguments.config)
    if arguments.explain:
        return explain(settings)
    event = sys.stdin.buffer.read(READ_BYTES_MAX).strip()
    merchant = None if arguments.merchant is None else _read(arguments.merchant)
    engine = build_engine(settings)
    now_ms = _now_ms()
    if merchant is not None:
        taken = engine.merchant([_key(merchant)], [merchant], _source("merchants"), received_at_ms=now_ms)
        if refused := _refusal(taken):
            tell("score", f"merchant refused: {refused}")
            return EXIT_REFUSED
    outputs = engine.score([event], _source("authorizations"), received_at_ms=now_ms, decided_at_ms=_now_ms)
    if refused := _refusal(outputs):
        tell("score", f"refused: {refused}")
        return EXIT_REFUSED
    for _, alert in outputs.alerts:
        if field := orjson.loads(alert).get("sensitive"):
            tell("score", f"decided without {field['path']}, which held sensitive data: {field['kind']}")
    (_, decision), *_ = outputs.decisions
    if not arguments.compact:
        decision = orjson.dumps(orjson.loads(decision), option=orjson.OPT_INDENT_2)
    sys.stdout.buffer.write(decision + b"\n")
    sys.stdout.buffer.flush()
    return EXIT_OK


def explain(settings: Settings) -> int:
    """Print for each event on standard input the keys that are probably misspelt, and why it is refused.

    Input: one event over several lines, or one on each line. No value is printed, and no key without a similar field.
    """
    limits, events, odd, refused = engine_settings(settings).decode, 0, 0, 0
    for events, value in enumerate(_events(), start=1):
        found = [_worded(oddity) for oddity in oddities(value)] if len(value) <= limits.bytes_max else []
        odd += bool(found)
        decoded = decode([value], limits)
        for finding in decoded.findings.get(0, ()):
            found.append(
                f"decided without {finding.path}, which holds sensitive data: {finding.kind.removeprefix('SENSITIVE_')}"
            )
        for network in decoded.unlisted:
            found.append(
                f"$.outcome.response_code: in no list of {network} on that day; only $.outcome.approved counts"
            )
        for _, reject in decoded.rejects:
            refused += 1
            found.append(f"refused: {reject.reason} at {reject.path}")
        for line in found:
            show(f"event {events}: {line}")
    show(f"{events} events: {odd} with keys to check, {refused} refused")
    return EXIT_REFUSED if refused else EXIT_OK


def _worded(oddity: Oddity) -> str:
    path = json.dumps(oddity.path)[1:-1]  # control characters and other scripts as escapes
    if oddity.near is None:
        return f"{path}: the key comes twice; the last one counts"
    return f"{path}: unknown key; did you mean {oddity.near}?"


def _events() -> Iterator[bytes]:
    """Yield the events of standard input: each line if the first one ends an object, else all as one event."""
    source = sys.stdin.buffer
    first = source.readline(READ_BYTES_MAX)
    while first and not first.strip():
        first = source.readline(READ_BYTES_MAX)
    if not first.strip().endswith(b"}"):
        yield (first + source.read(READ_BYTES_MAX - len(first))).strip()
        return
    line = first
    while line:
        if line.strip():
            yield line.strip()
        line = source.readline(READ_BYTES_MAX)


def _refusal(outputs: Outputs) -> str:
    """Return reason and path of the first dead letter, or "". Never a value."""
    for _, value in outputs.dead_letters:
        letter = orjson.loads(value)
        return f"{letter['reason']} at {letter['path']}"
    return ""


def _key(merchant: bytes) -> bytes:
    """Return the record's key on the `merchants` topic; b"" without the two ids, which the core then refuses."""
    try:
        record = orjson.loads(merchant)
        return f"{record['acquirer_id']}/{record['merchant_id']}".encode()
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return b""


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(READ_BYTES_MAX).strip()


def _source(topic: str) -> Source:
    """Return a source without a timestamp: there is no Kafka record, so an event of any date is on time."""
    return Source(topic=topic, partition=0, offsets=(0,), timestamps_ms=(UNDATED,))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
