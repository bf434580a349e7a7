"""The whole demonstration on the embedded broker: the balance holds, and it ends the processes that it started."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.demo import main
from streams.kafka.embedded import EmbeddedBrokerError, find_binary

pytestmark = pytest.mark.embedded

DEADLINE_S = 120.0


@pytest.fixture(autouse=True)
def _broker_installed() -> None:
    try:
        find_binary()
    except EmbeddedBrokerError as error:
        pytest.skip(str(error))


def children_of(pid: int) -> list[int]:
    """Find the processes whose parent is `pid`, by their session-independent parent id."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(") ", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_the_balance_holds_and_fraud_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = set(children_of(os.getpid()))
    status = main(["--duration", "12", "--plain", "--record", str(tmp_path / "demo.svg")])
    out, err = capsys.readouterr()
    assert status == 0, out + err
    assert "The balance holds." in out
    equations = re.findall(r"(?:topics|worker) +([\d,]+) = ([\d,]+) \+ ([\d,]+) \+ ([\d,]+)", out)
    assert len(equations) == 2
    assert equations[0] == equations[1]
    events, decisions, dead_letters, repeats = (int(number.replace(",", "")) for number in equations[0])
    assert events == decisions + dead_letters + repeats
    assert dead_letters == 6
    assert repeats >= 2
    for reason in ("SENSITIVE_PAN 1", "WRONG_EXPONENT 1", "INVALID_UTF8 1", "MALFORMED_JSON 1"):
        assert reason in out
    flagged = re.search(r"flagged ([\d,]+) events, ([\d,]+) of them fraud", out)
    assert flagged is not None
    assert int(flagged[2].replace(",", "")) > 0
    assert re.search(
        r"Merchants where fraud became frequent: 1\n  at m\d+: frequent fraud, ACTUALISED: .* no 3-D Secure", out
    )
    assert "in threeds-results-replayed: 9 of 10 payments" in out
    assert (tmp_path / "demo.svg").read_text().startswith("<svg")
    assert set(children_of(os.getpid())) <= before


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_demonstration_leaves_no_process_behind(name: str) -> None:
    command = [sys.executable, "-c", "from streams.cli import main; raise SystemExit(main())", "demo", "--plain"]
    heard = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a background job of a shell inherits ignored signals
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    finally:
        signal.signal(signal.SIGINT, heard)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "starting the worker" in line:
                break
        children = children_of(process.pid)
        assert len(children) == 3, "broker, simulator and worker"
        number = getattr(signal, name)
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 128 + number
        await_gone(children)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def await_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10.0
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a process still runs after the demonstration"
        time.sleep(0.02)  # the condition has a deadline
