"""The compose file against the files, names and ports that it uses. It is not started here."""

import re
from typing import Any

import pytest

from streams.cli.command import FORWARDED, parser
from streams.config.load import load_settings
from streams.config.policies import load_policy
from streams.transport.settings import FromEnv
from tests.deploy.rules import DEPLOY, ROOT, read

MODEL: dict[str, Any] = read(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = MODEL["services"]
OURS = ("topics", "worker", "simulator")
KEYS = {
    *("image", "build", "command", "entrypoint", "environment", "ports", "expose", "volumes", "depends_on", "init"),
    *("healthcheck", "deploy", "cap_drop", "security_opt", "restart", "stop_grace_period"),
}
"""The keys of the Compose Specification that are used: Compose refuses a misspelt one."""


@pytest.fixture(params=SERVICES, ids=str)
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


def test_the_stack_is_the_one_that_the_readme_names() -> None:
    assert set(SERVICES) == {"kafka", "topics", "worker", "simulator", "prometheus", "grafana"}
    assert set(MODEL) == {"name", "services", "volumes"}


def test_a_service_uses_only_keys_that_compose_knows(service: dict[str, Any]) -> None:
    assert set(service) <= KEYS


def test_every_image_has_a_version(service: dict[str, Any]) -> None:
    _name, _, tag = service["image"].partition(":")
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)


def test_ports_are_published_on_the_loopback_address_only(service: dict[str, Any]) -> None:
    for port in service.get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


def test_every_service_has_limits_and_gains_no_rights(service: dict[str, Any]) -> None:
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


def test_every_service_with_an_endpoint_has_a_health_check(service: dict[str, Any]) -> None:
    health = service.get("healthcheck")
    if health is None:
        assert service is SERVICES["worker"], "only the worker's image has its own health check"
    elif not health.get("disable"):
        assert health["test"][0] == "CMD"
        assert {"interval", "timeout", "retries"} <= set(health)


def test_a_service_waits_for_a_state_that_the_other_service_can_reach(service: dict[str, Any]) -> None:
    for name, condition in service.get("depends_on", {}).items():
        other = SERVICES[name]
        if condition["condition"] == "service_healthy":
            assert "test" in other["healthcheck"]
        else:
            assert condition["condition"] == "service_completed_successfully"
            assert other["restart"] == "no"


def test_every_file_that_is_mounted_is_there_and_read_only(service: dict[str, Any]) -> None:
    for volume in service.get("volumes", ()):
        source, target, *mode = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (DEPLOY / source).exists(), source
            assert mode == ["ro"]
        else:
            assert source in MODEL["volumes"]


def test_images_of_ours_are_built_from_the_recipe(service: dict[str, Any]) -> None:
    if "build" in service:
        assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
        assert (ROOT / service["build"]["dockerfile"]).is_file()
        assert service["image"].startswith("sekisho:")


def test_the_images_version_is_the_projects() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    assert version is not None
    assert {SERVICES[name]["image"] for name in OURS} == {f"sekisho:{version[1]}"}


def test_the_commands_are_commands_of_sekisho() -> None:
    for name in ("topics", "worker"):
        arguments = parser().parse_args(SERVICES[name]["command"])
        assert str(arguments.config) == "/etc/sekisho/container.yaml"


def test_the_simulators_pipe_uses_options_that_it_has() -> None:
    from models.simulator.cli import parser as simulator

    assert "simulate" in FORWARDED
    (pipe,) = SERVICES["simulator"]["command"]
    first, second = pipe.replace("$$(date +%s)", "1").replace("$$(date --iso-8601=seconds)", START).split(" | ")
    options = simulator().parse_args([word.strip('"') for word in first.split()[2:]])
    assert options.events_per_day == 4_000_000
    assert second == "python /opt/sekisho/libexec/feed.py --config /etc/sekisho/container.yaml"


START = "2026-03-01T00:00:00+00:00"


def test_the_configuration_is_valid_and_finds_the_broker_of_the_stack() -> None:
    settings = load_settings(DEPLOY / "config" / "container.yaml")
    assert settings.kafka.bootstrap == ("kafka:19092",)
    assert "INSIDE://kafka:19092" in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    mounts = [volume.split(":")[:2] for volume in SERVICES["worker"]["volumes"]]
    assert ["./config/policy.yaml", settings.policy.file] in mounts
    assert SERVICES["worker"]["stop_grace_period"] == "40s"
    assert settings.watch.drain_s < 40


def test_every_worker_of_the_stack_is_a_member_by_a_name_of_its_own() -> None:
    settings = load_settings(DEPLOY / "config" / "container.yaml")
    assert settings.consume.instance_id == FromEnv(env="HOSTNAME")  # which the engine sets to the container's name
    assert "hostname" not in SERVICES["worker"], "workers with one name would end each other"
    assert SERVICES["worker"]["restart"] == "unless-stopped"


def test_the_policy_that_is_mounted_is_valid() -> None:
    settings = load_settings(DEPLOY / "config" / "container.yaml")
    assert settings.policy.file is not None
    from streams.config.load import settings_from

    mounted = settings_from({"policy": {"file": str(DEPLOY / "config" / "policy.yaml")}}, origin="test")
    assert load_policy(mounted)


def test_prometheus_scrapes_the_workers_of_the_stack() -> None:
    jobs = {job["job_name"]: job for job in read(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]}
    (discovery,) = jobs["sekisho"]["dns_sd_configs"]
    (name,) = discovery["names"]
    assert name in SERVICES
    assert [str(discovery["port"])] == SERVICES[name]["expose"]
