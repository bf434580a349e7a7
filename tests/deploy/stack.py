"""A whole deployment without containers: embedded broker, worker, simulated traffic, Prometheus with our rules."""

import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from streams.kafka.embedded import end
from streams.kafka.settings import Broker
from tests.deploy.rules import DEPLOY, ROOT, RULES, read

READY_S = 240  # kernels may have to be compiled
ANSWER_S = 60
DRAIN_S = 40
EVENTS = 2_000
EVENTS_PER_S = 150
POLL_S = 0.1
SEKISHO = [sys.executable, "-c", "from streams.cli import main; raise SystemExit(main())"]


def until(reached: Callable[[], bool], seconds: float, what: str, explain: Callable[[], str] = str) -> None:
    """Wait for a condition; fail with its description."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{explain()}"
        time.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus and its HTTP interface."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        """Send a request and return the data of the answer; an HTTP or query error fails."""
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=ANSWER_S) as response:
            answer = json.load(response)
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, at_s: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Evaluate an expression; return labels and value of each sample."""
        moment = {} if at_s is None else {"time": f"{at_s:.3f}"}
        data = self.get("/api/v1/query", query=expression, **moment)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(sample["metric"], float(sample["value"][1])) for sample in data["result"]]

    def value(self, expression: str) -> float | None:
        """Evaluate an expression that gives at most one sample."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None

    def answers(self) -> bool:
        """Tell whether it is ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=1):
                return True
        except OSError:
            return False


@contextmanager
def running_prometheus(program: str, port: int, target: str, directory: Path) -> Iterator[Prometheus]:
    """Run Prometheus with the stack's own configuration and rules, at intervals of one second, on one worker."""
    config = read(DEPLOY / "prometheus" / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "sekisho"]
    for job in config["scrape_configs"]:
        del job["dns_sd_configs"]
        job["static_configs"] = [{"targets": [target]}]
    (directory / "rules").mkdir()
    for file in RULES.glob("*.yaml"):
        rules = read(file)
        for group in rules["groups"]:
            group["interval"] = "1s"
        (directory / "rules" / file.name).write_text(yaml.safe_dump(rules))
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        program,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = directory / "prometheus.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            prometheus = Prometheus(port)
            until(prometheus.answers, ANSWER_S, "Prometheus is ready", log.read_text)
            yield prometheus
        finally:
            end(process)


@contextmanager
def running_worker(config: Path, http_port: int, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `sekisho worker` until the context ends; yield it when it is ready."""
    log = directory / "worker.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*SEKISHO, "worker", "--config", str(config)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
        try:
            until(lambda: _is_ready(process, http_port), READY_S, "the worker is ready", log.read_text)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(ANSWER_S)


def _is_ready(process: "subprocess.Popen[bytes]", port: int) -> bool:
    assert process.poll() is None, "the worker must still run"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def configuration(broker: Broker, bundle: Path, http_port: int) -> dict[str, object]:
    """Make a worker's settings: small, and with thresholds so low that alerts are raised and suppressed."""
    rows = dict.fromkeys(("card", "merchant", "merchant_bin", "bin", "device", "ip", "account", "address"), 4_096)
    policy = read(DEPLOY / "config" / "policy.yaml")
    policy["global"] = {"review": 1, "step_up": 500, "block": 900}
    policy["experiment"] = {
        "id": "half",
        "share_per_mille": 500,
        "effective_from": "2025-05-01T00:00:00Z",
        "effective_to": "2025-07-01T00:00:00Z",
        "author": "a",
        "approver": "b",
        "reason": "both arms have figures",
        "candidate": {"version": "half", "global": {"review": 200, "step_up": 500, "block": 900}},
    }
    return {
        "kafka": {"bootstrap_servers": list(broker.bootstrap), "profile": "embedded"},
        "topics": {"partitions": {"events": 2}},
        "model": {"bundle_dir": str(bundle)},
        "policy": {"inline": policy},
        "profiles": {"rows": rows},
        "http": {"port": http_port},
    }


def publish_traffic(config: Path) -> int:
    """Run the compose stack's pipe, shortened: the simulator into the feed. Return the authorizations in it."""
    simulate = [*SEKISHO, "simulate", "--days", "1", "--cards", "500", "--merchants", "80", "--rate", str(EVENTS_PER_S)]
    with (
        subprocess.Popen(
            [*simulate, "--events-per-day", str(EVENTS)], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as simulator,
        subprocess.Popen(
            [sys.executable, str(DEPLOY / "feed.py"), "--config", str(config)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            env={"PYTHONPATH": str(ROOT)},
        ) as feed,
    ):
        assert simulator.stdout is not None
        assert feed.stdin is not None
        count = 0
        for line in simulator.stdout:
            count += line.startswith(b'{"topic":"authorizations"')
            feed.stdin.write(line)
            feed.stdin.flush()
        feed.stdin.close()
        assert feed.wait(ANSWER_S) == 0
        assert simulator.wait(ANSWER_S) == 0
    return count
