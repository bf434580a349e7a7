"""The page on durability agrees with the code: settings, limits, sizes, options, and what Kubernetes accepts."""

import re
from typing import Any

import yaml

from scoring.profile.changelog import _packed_words
from scoring.profile.layout import ROW_WORDS
from streams.config.settings import Settings
from streams.kafka.settings import APACHE_KAFKA
from streams.kafka.topics import PROFILE_CONFIGS
from streams.state.check import COMPACTION_LAG_MIN_MS
from tests.deploy.rules import DEPLOY, anchor, read

PAGE = (DEPLOY / "docs" / "durability.md").read_text(encoding="utf-8")
SETTING = re.compile(r"^\| (`[^|]+`) \| ([^|]+) \|", re.MULTILINE)
OPTION = re.compile(r"`([a-z]+(?:\.[a-z_]+)+)(?:: [^`]+)?`")
(BLOCK,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
MANIFEST: dict[str, Any] = yaml.safe_load(BLOCK)
POD: dict[str, Any] = MANIFEST["spec"]["template"]["spec"]
SETTINGS = Settings()


def section(title: str) -> str:
    """Cut one section out of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_settings_of_the_topics_are_those_of_the_command() -> None:
    shown: dict[str, str] = {}
    for names, values in SETTING.findall(section("Topics and their settings")):
        shown |= zip(re.findall(r"`([^`]+)`", names), values.replace("`", "").strip().split(", "), strict=True)
    assert shown.pop("min.insync.replicas") == "topics.min_insync_replicas"
    assert shown == PROFILE_CONFIGS
    assert f"at least {COMPACTION_LAG_MIN_MS}" in PAGE


def test_every_option_that_the_page_names_exists() -> None:
    named = set(OPTION.findall(PAGE)) - set(PROFILE_CONFIGS) - {"min.insync.replicas"}
    assert {"state.flush_interval_s", "consume.instance_id", "topics.partitions.events"} <= named
    for name in named:
        found = read(DEPLOY / "config" / "reference.yaml")
        for part in name.split("."):
            assert part in found, name
            found = found[part]


def test_the_figures_that_it_derives_are_those_of_the_defaults() -> None:
    sizes = [4 * _packed_words(words) for words in ROW_WORDS]
    assert f"takes {min(sizes)} (reported card) to {max(sizes):,} bytes (merchant)" in PAGE
    assert SETTINGS.state.flush_interval_s == 1
    assert "`state.flush_interval_s`, 1 s by default" in PAGE
    assert (APACHE_KAFKA.session_timeout_s, APACHE_KAFKA.heartbeat_interval_s) == (15.0, 3.0)
    assert SETTINGS.watch.drain_s == 30.0


def test_links_within_the_documentation_lead_to_a_heading() -> None:
    for page in DEPLOY.glob("docs/*.md"):
        for file, heading in re.findall(r"\]\(([a-z-]*(?:\.md)?)#([a-z-]+)\)", page.read_text(encoding="utf-8")):
            target = (DEPLOY / "docs" / file if file else page).read_text(encoding="utf-8")
            headings = [line.lstrip("# ") for line in target.splitlines() if line.startswith("#")]
            found = {re.sub(r"[^a-z0-9 -]", "", anchor(title)).replace(" ", "-") for title in headings}
            assert heading in found, f"{page.name}: {file}#{heading}"


def test_the_pods_have_names_of_their_own_and_time_to_drain() -> None:
    assert MANIFEST["kind"] == "StatefulSet"
    assert POD["terminationGracePeriodSeconds"] > SETTINGS.watch.drain_s
    assert POD["restartPolicy"] == "Always"
    (container,) = POD["containers"]
    (variable,) = container["env"]
    assert variable["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert f"instance_id: {{env: {variable['name']}}}" in BLOCK
    assert container["image"] == read(DEPLOY / "compose.yaml")["services"]["worker"]["image"]
    assert container["ports"] == [{"name": "http", "containerPort": SETTINGS.http.port}]
    assert [container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")] == [
        "/readyz",
        "/livez",
    ]
