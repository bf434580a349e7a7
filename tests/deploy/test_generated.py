"""Generated files are compared with their source; a difference names the file and the command that renews it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.generated import __main__ as generated
from deploy.generated import config, locks, made, schemas
from tests.deploy.rules import ROOT
from tests.examples import sample

COPIED = (
    "pyproject.toml",
    "requirements.lock",
    "deploy/locks",
    "deploy/config",
    "scoring/contract/schemas",
    "scoring/contract/examples",
    *(item.file for item in made.made(ROOT) if item.file.startswith(("deploy/docs/", "deploy/grafana/"))),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the compared files, so that a test can change them."""
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    return tmp_path


def changed(file: Path, change: Callable[[Any], Any]) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def replaced(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_every_generated_file_equals_its_source() -> None:
    assert generated.faults(ROOT) == []


def test_all_generated_files_exist() -> None:
    files = [item.file for item in made.made(ROOT)]
    assert set(files) == {
        *(f"deploy/docs/{page}.md" for page in ("metrics", "reasons", "rights", "rule-variables", "threeds")),
        "deploy/grafana/dashboards/sekisho.json",
        "deploy/config/policy.yaml",
        *(path.relative_to(ROOT).as_posix() for path in (ROOT / "scoring/contract/schemas").iterdir()),
    }


@pytest.mark.parametrize("file", sample([item.file for item in made.made(ROOT)]))
def test_a_file_that_differs_is_named_with_its_command_and_renewed(copy: Path, file: str) -> None:
    if "schemas" in file:
        changed(copy / file, lambda schema: schema["required"].pop())
    else:
        (copy / file).write_text("edited by hand\n", encoding="utf-8")
    assert made.differing(copy) == [f"{file}: not what its source makes: run python -m deploy.generated --write"]
    assert made.write(copy) == [file]
    assert (copy / file).read_bytes() == (ROOT / file).read_bytes()
    assert made.write(copy) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema["properties"].pop("probability"),
        lambda schema: schema["properties"]["score"].update(maximum=1000),
        lambda schema: schema["properties"].update(more={"type": "string", "description": "Not in the record."}),
        lambda schema: schema["$defs"].pop("Reason"),
        lambda schema: schema.update(additionalProperties=False),
        lambda schema: schema["$defs"]["Reason"]["properties"]["en"].pop("maxLength"),
    ],
    ids=["a-field-is-gone", "a-bound-differs", "a-field-too-many", "a-part-is-gone", "closed", "unbounded"],
)
def test_a_schema_that_is_not_its_records_is_found(copy: Path, change: Callable[[Any], Any]) -> None:
    changed(copy / "scoring/contract/schemas/decision.v1.json", change)
    (fault,) = made.differing(copy)
    assert fault.startswith("scoring/contract/schemas/decision.v1.json: ")


def test_words_of_a_schema_are_its_own_and_a_new_field_comes_without(copy: Path) -> None:
    file = copy / "scoring/contract/schemas/decision.v1.json"
    changed(file, lambda schema: schema["properties"]["score"].update(description="Other words."))
    assert made.differing(copy) == []
    changed(file, lambda schema: schema["properties"].pop("score"))
    assert made.write(copy) == ["scoring/contract/schemas/decision.v1.json"]
    score = json.loads(file.read_text(encoding="utf-8"))["properties"]["score"]
    assert score == {"description": "", "type": "integer", "minimum": 0, "maximum": 999}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda event: event.pop("merchant"), "refused by its schema at $"),
        (lambda event: event["amount"].update(minor=-1), "refused by its schema at $.amount.minor"),
    ],
)
def test_an_example_that_its_schema_refuses_is_named(copy: Path, change: Callable[[Any], Any], why: str) -> None:
    changed(copy / "scoring/contract/examples/auth.event.v1.json", change)
    assert schemas.faults(copy) == [f"scoring/contract/examples/auth.event.v1.json: {why}: edit it"]


def test_a_schema_without_a_record_and_one_without_an_example_are_named(copy: Path) -> None:
    (copy / "scoring/contract/schemas/visit.v1.json").write_text("{}")
    (copy / "scoring/contract/examples/label.v1.json").unlink()
    assert schemas.faults(copy) == [
        "scoring/contract/examples/label.v1.json: missing: write it by hand",
        "scoring/contract/schemas/visit.v1.json: no record in scoring/contract has this schema_version",
    ]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("  port: 9464", "  port: 9465", "$.http.port is not the default, 9464"),
        ("  enabled: true # false: no", "  enabled: 1 # false: no", "$.http.enabled is not the default, True"),
        ("  port: 9464", "  portt: 9464", "$.http.port is missing, its default is 9464"),
        ("digits: 15}", "digits: 16}", "$.decode.identifiers is not the default, "),
        ("http:", "http: [", "line "),
    ],
)
def test_a_reference_configuration_unlike_the_defaults_names_the_key(copy: Path, old: str, new: str, why: str) -> None:
    replaced(copy / config.FILE, old, new)
    assert config.faults(copy)[0].startswith(f"{config.FILE}: {why}")


def test_of_broker_traits_only_the_default_may_stand_in_the_reference_configuration_by_name(copy: Path) -> None:
    replaced(copy / config.FILE, "profile: apache-kafka", "profile: embedded")
    assert any("$.kafka.profile.name is not the default" in fault for fault in config.faults(copy))


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("pyproject.toml", '"uvloop>=0.21"', '"uvloop>=99"', "requirements.lock: the pin of uvloop is not >=99"),
        ("pyproject.toml", '"rich>=13"', '"rich>=13", "textual"', "requirements.lock: textual has no pin"),
        ("pyproject.toml", '["mkdocs-material', '["furo", "mkdocs-material', "deploy/locks/docs.txt: furo has no pin"),
        ("pyproject.toml", '"hatchling>=1.27"]', '"hatchling>=99"]', "deploy/locks/build.txt: the pin of hatchling"),
        ("deploy/locks/runtime.txt", "numpy==", "numpie==", "deploy/locks/runtime.txt: numpy has no pin"),
        ("deploy/locks/runtime.txt", "sha256:", "sha256:" + 64 * "0" + " \\\n    --hash=sha256:", "is not as in"),
        ("deploy/locks/docs.txt", "mkdocs==", "# https://example.org\nmkdocs==", "names an address"),
        ("deploy/locks/docs.txt", "babel==2.19.0", "babel==2.19.0\nbabe==1", "has no hash"),
    ],
)
def test_a_lock_without_a_required_package_is_named(copy: Path, file: str, old: str, new: str, fault: str) -> None:
    assert locks.faults(copy) == []
    replaced(copy / file, old, new)
    found = locks.faults(copy)
    assert any(fault in line for line in found), found
    assert all(line.endswith(": run make lock") for line in found)


def test_make_check_compares_generated_files() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = [part for part in text.split("\n\n") if part.startswith("check: ")]
    assert "\t$(BIN)/python -m deploy.generated\n" in recipe + "\n"
