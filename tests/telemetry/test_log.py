"""One JSON line per event of the log, and never a payload."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.telemetry.log import LIBRARIES, OWN, JsonLines, RepeatLimit, configure
from streams.telemetry.settings import LoggingSettings


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    with configured() as stream:
        yield stream


@contextmanager
def configured() -> Iterator[io.StringIO]:
    names = (None, *OWN, *LIBRARIES)
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in names}
    stream = io.StringIO()
    configure(LoggingSettings(), stream)
    yield stream
    logging.captureWarnings(capture=False)
    for name, (level, handlers) in before.items():
        logging.getLogger(name).setLevel(level)
        logging.getLogger(name).handlers[:] = handlers


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_and_its_fields_become_one_object(out: io.StringIO) -> None:
    logging.getLogger("streams.worker.app").info("worker_started group=%s", "sekisho")
    (line,) = lines(out)
    assert line.pop("ts")
    assert line == {"level": "INFO", "event": "worker_started", "logger": "streams.worker.app", "group": "sekisho"}


def test_a_quoted_value_may_hold_spaces(out: io.StringIO) -> None:
    logging.getLogger("streams.worker.watchdog").critical("worker_stalled reason=%r", "consumer thread died")
    assert lines(out)[0]["reason"] == "consumer thread died"


def test_a_sentence_of_a_library_stays_whole(out: io.StringIO) -> None:
    logging.getLogger("aiokafka.conn").warning("Topic %s = %d is not available", "x", 3)
    assert lines(out)[0]["event"] == "Topic x = 3 is not available"


def test_libraries_write_from_warning_upwards(out: io.StringIO) -> None:
    for name in (*LIBRARIES, "something.else"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(f"{name}.inner").info("chatter")
    assert lines(out) == []


def test_a_library_with_its_own_handlers_writes_no_lines_of_its_own() -> None:
    library = logging.getLogger("aiokafka")
    before = library.level, library.handlers[:], library.propagate
    own = io.StringIO()
    library.addHandler(logging.StreamHandler(own))
    library.setLevel(logging.DEBUG)
    library.propagate = False
    with configured() as out:
        library.debug("chatter")
        library.warning("trouble")
        assert [line["event"] for line in lines(out)] == ["trouble"]
    assert own.getvalue() == ""
    library.level, library.handlers[:], library.propagate = before


def test_sentences_of_services_below_warning_are_not_written(out: io.StringIO) -> None:
    logger = logging.getLogger("streams.merchants")
    logger.info("[^-MerchantLoader]: Starting...")
    logger.info("merchants_loaded records=%d", 3)
    logger.warning("[^-MerchantLoader]: a sentence")
    assert [line["event"] for line in lines(out)] == ["merchants_loaded", "[^-MerchantLoader]: a sentence"]


def test_the_text_of_an_exception_that_may_quote_data_is_not_written(out: io.StringIO) -> None:
    secret = "4000" + "0012" + "3456" + "7899"
    try:
        secret.encode().decode("utf-16-be").encode("ascii")
    except UnicodeError as error:
        logging.getLogger("mode.services").exception("Crashed reason=%r", error)
        logging.getLogger("faust").error("%s and %s", error, ValueError(secret), exc_info=True)
    assert secret not in out.getvalue()
    assert lines(out)[0]["event"] == "Crashed reason='UnicodeEncodeError'"
    assert lines(out)[0]["error"] == "UnicodeEncodeError"


def test_a_traceback_names_places_and_never_values(out: io.StringIO) -> None:
    def inner(payload: bytes) -> None:
        raise RuntimeError(payload)

    try:
        inner(b"token")
    except RuntimeError:
        logging.getLogger("streams").exception("batch_failed")
    (line,) = lines(out)
    assert "token" not in out.getvalue()
    assert str(line["at"]).count("test_log.py") == 2
    assert line["error"] == "RuntimeError"


def test_errors_of_brokers_and_files_are_written_in_full(out: io.StringIO) -> None:
    logging.getLogger("aiokafka").error("%s", KafkaConnectionError("127.0.0.1:9092 refused"))
    logging.getLogger("streams").error("x=%s", FileNotFoundError(2, "No such file", "ca.pem"))
    assert "127.0.0.1:9092 refused" in str(lines(out)[0]["event"])
    assert "ca.pem" in str(lines(out)[1]["event"])


def test_a_repeating_line_is_written_once_per_interval_with_a_count() -> None:
    now = 0.0
    limit = RepeatLimit(10.0, clock=lambda: now)

    def admit(text: str, *arguments: object) -> tuple[bool, int]:
        record = logging.LogRecord("streams", logging.WARNING, __file__, 1, text, arguments, None)
        return limit.filter(record), getattr(record, "suppressed", 0)

    assert admit("commit_failed attempt=%d", 1) == (True, 0)
    assert admit("commit_failed attempt=%d", 2) == (False, 0)
    assert admit("other_happened") == (True, 0)
    now = 9.9
    assert admit("commit_failed attempt=%d", 3) == (False, 0)
    now = 10.0
    assert admit("commit_failed attempt=%d", 4) == (True, 2)
    assert admit("commit_failed attempt=%d", 5) == (False, 0)


def test_the_memory_of_repeating_lines_is_bounded() -> None:
    limit = RepeatLimit(10.0, clock=lambda: 0.0)
    for number in range(5_000):
        record = logging.LogRecord("streams", logging.INFO, __file__, 1, f"line {number}", None, None)
        assert limit.filter(record)
    assert sys.getsizeof(limit._lines) < 200_000


def test_a_message_that_does_not_fit_its_arguments_is_written_without_them() -> None:
    for message, arguments in (("none", ({"a": "token"},)), ("two %s %s", ("token",)), ("number %d", ("token",))):
        record = logging.LogRecord("streams", logging.ERROR, __file__, 1, message, arguments, None)
        line = JsonLines().format(record)
        assert json.loads(line)["event"] == message
        assert "token" not in line
