"""Structured logs: one JSON object per line on standard error.

A record's message is the name of an event in the past tense, optionally followed by `name=value` pairs:
`worker_started group=sekisho`. Our code never logs a part of a payload. Libraries log from WARNING upwards. The text of
an exception is shown only if it cannot quote data; of others only the type is shown.
"""

import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import TextIO

import orjson

from streams.telemetry.settings import LoggingSettings

MESSAGE_LENGTH_MAX = 2_000
REPEATS_TRACKED_MAX = 1_000
LIBRARIES = ("faust", "mode", "aiokafka", "asyncio", "kafka", "numba", "lightgbm", "concurrent", "urllib3")
OWN = ("streams", "scoring", "models")

TELLING = ("aiokafka", *OWN)
"""Packages whose errors name coordinates and settings and never quote a payload."""


_EVENT = re.compile(r"(?P<event>[a-z0-9_]+)(?P<pairs>(?: [a-z0-9_]+=(?:'[^']*'|\"[^\"]*\"|\S*))*)")
_PAIR = re.compile(r" ([a-z0-9_]+)=('[^']*'|\"[^\"]*\"|\S*)")


class JsonLines(logging.Formatter):
    """Format a log record as one JSON object: `ts`, `level`, `event`, `logger`, then its fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Encode the record. Text is cut at 2,000 characters. A traceback has places and no values."""
        event, fields = _facts(_message(record))
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": event[:MESSAGE_LENGTH_MAX],
            "logger": record.name,
            **fields,
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = told(record.exc_info[1])
            line["at"] = _places(record.exc_info[2])
        suppressed = getattr(record, "suppressed", 0)
        if suppressed:
            line["suppressed"] = suppressed
        return orjson.dumps(line).decode()


def told(error: BaseException) -> str:
    """Return an exception as text: its type, and its message if that can only contain files, hosts and topics."""
    kind = type(error)
    tells = isinstance(error, OSError) or kind.__module__.split(".")[0] in TELLING
    text = str(error).removeprefix(f"{kind.__name__}: ")  # aiokafka's errors begin with their own name
    return f"{kind.__name__}: {text}"[:MESSAGE_LENGTH_MAX] if tells and text else kind.__name__


def _message(record: logging.LogRecord) -> str:
    """Format the message, with exceptions among its arguments as `told` returns them.

    If message and arguments do not fit, the message is returned unformatted: an error of `logging` would print the
    arguments.
    """
    text = str(record.msg)
    if not record.args:
        return text
    arguments = record.args if isinstance(record.args, tuple) else (record.args,)
    safe = tuple(told(argument) if isinstance(argument, BaseException) else argument for argument in arguments)
    try:
        return text % (safe[0] if isinstance(record.args, dict) else safe)
    except (TypeError, ValueError, KeyError):
        return text


def _facts(message: str) -> tuple[str, dict[str, object]]:
    """Split `worker_started group=x` into event and fields. A sentence of a library is not split."""
    found = _EVENT.fullmatch(message)
    if found is None:
        return message, {}
    return found["event"], {name: value.strip("'\"") for name, value in _PAIR.findall(found["pairs"])}


def _places(traceback: TracebackType | None) -> list[str]:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-20:]


class EventsOnly(logging.Filter):
    """Drop lines below WARNING that are no events: services inherit debug sentences from Faust."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for warnings and for events."""
        return record.levelno >= logging.WARNING or _EVENT.fullmatch(_message(record)) is not None


class RepeatLimit(logging.Filter):
    """Pass a repeating line once per interval. The next one has the number of dropped lines as `suppressed`.

    A line repeats if logger, level and unformatted message are equal. Errors are limited too: a broker that is down
    would otherwise fill a disk.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._clock = clock
        self._lines: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line passes, and count dropped lines."""
        key = (record.name, record.levelno, str(record.msg)[:200])
        now = self._clock()
        last, held_back = self._lines.get(key, (-self._interval_s - 1.0, 0))
        if now - last < self._interval_s:
            self._lines[key] = (last, held_back + 1)
            return False
        if len(self._lines) >= REPEATS_TRACKED_MAX:
            self._lines.clear()
        self._lines[key] = (now, 0)
        record.suppressed = held_back
        return True


def configure(settings: LoggingSettings, stream: TextIO | None = None) -> None:
    """Set up logging of the process: our packages at the configured level, libraries at WARNING."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines())
    handler.addFilter(EventsOnly())
    handler.addFilter(RepeatLimit(settings.repeat_interval_s))
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in OWN:
        logging.getLogger(name).setLevel(settings.level)
    for name in LIBRARIES:
        library = logging.getLogger(name)
        library.setLevel(logging.WARNING)
        library.handlers.clear()
        library.propagate = True
