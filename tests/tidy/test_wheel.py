"""The wheel runs from a clean environment, outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)], cwd=ROOT, check=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with the locked dependencies and the wheel, without the checkout."""
    home = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return home / "bin" / "sekisho"


def run(command: Path, *arguments: str, cwd: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return subprocess.run([str(command), *arguments], cwd=cwd, input=stdin, capture_output=True, check=False, env=env)


def test_the_wheel_contains_the_three_packages_and_their_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"streams", "scoring", "models"}
    assert "models/bundles/demo/manifest.json" in names
    assert "scoring/contract/schemas/auth.event.v1.json" in names


def test_the_installed_command_scores_an_event_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    version = run(installed, "--version", cwd=tmp_path)
    assert version.returncode == 0, version.stderr.decode()
    event = (ROOT / "scoring" / "contract" / "examples" / "auth.event.v1.json").read_bytes()
    scored = run(installed, "score", cwd=tmp_path, stdin=event)
    assert scored.returncode == 0, scored.stderr.decode()
    assert b'"decision.v1"' in scored.stdout
    checked = run(installed, "check-config", str(ROOT / "deploy" / "config" / "reference.yaml"), cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr.decode()
