"""`sekisho score`: one event through the whole core, without Kafka."""

import sys
import time
from argparse import Namespace
from pathlib import Path

import orjson

from scoring.clock import UNDATED
from scoring.outputs import Outputs, Source
from streams.cli.console import EXIT_OK, EXIT_REFUSED, tell
from streams.cli.failures import reported
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.wiring import build_engine

READ_BYTES_MAX = 1 << 21
"""More than any event may have (`decode.bytes_max`); what is beyond is not read, and the event refused."""


@reported("score")
def run(arguments: Namespace) -> int:
    """Decide the event on standard input and print its decision."""
    settings = Settings() if arguments.config is None else load_settings(arguments.config)
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
    (_, decision), *_ = outputs.decisions
    if not arguments.compact:
        decision = orjson.dumps(orjson.loads(decision), option=orjson.OPT_INDENT_2)
    sys.stdout.buffer.write(decision + b"\n")
    sys.stdout.buffer.flush()
    return EXIT_OK


def _refusal(outputs: Outputs) -> str:
    """Word the first dead letter: its reason and where in the record; never what stood there."""
    for _, value in outputs.dead_letters:
        letter = orjson.loads(value)
        return f"{letter['reason']} at {letter['path']}"
    return ""


def _key(merchant: bytes) -> bytes:
    """Make the record's key on the `merchants` topic; a record without the two ids is refused by the core."""
    try:
        record = orjson.loads(merchant)
        return f"{record['acquirer_id']}/{record['merchant_id']}".encode()
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return b""


def _read(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(READ_BYTES_MAX).strip()


def _source(topic: str) -> Source:
    """Name no record: there is none, so an event of whatever date is on time."""
    return Source(topic=topic, partition=0, offsets=(0,), timestamps_ms=(UNDATED,))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
