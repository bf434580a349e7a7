"""The site's configuration, pages and lock agree. MkDocs itself is not needed: `make docs` runs it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.site import build
from tests.deploy.test_image import hashes, pins
from tests.docs.shown import generated

ROOT = build.ROOT


class Lenient(yaml.SafeLoader):
    """Reads a configuration of MkDocs without the Python names in it."""


Lenient.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)  # type: ignore[no-untyped-call]
CONFIG: dict[str, Any] = yaml.load(build.CONFIG.read_text(encoding="utf-8"), Lenient)  # noqa: S506 -- it is one


def pages_of(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for below in nav.values():
            yield from pages_of(below)
    else:
        for below in nav:
            yield from pages_of(below)


def test_the_menu_names_every_page_once_except_single_decisions() -> None:
    named = list(pages_of(CONFIG["nav"]))
    assert len(named) == len(set(named))
    pages = build.committed() | generated()
    decisions = {page for page in pages if re.fullmatch(r"deploy/docs/adr/0\d{3}-[a-z0-9-]+\.md", page)}
    assert set(named) == set(pages) - decisions
    assert CONFIG["not_in_nav"] == "/deploy/docs/adr/0*.md"


def test_the_list_of_decisions_has_each_by_its_number_and_title() -> None:
    folder = ROOT / "deploy" / "docs" / "adr"
    expected = []
    for file in sorted(folder.glob("0*.md")):
        number, title = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split(". ", 1)
        assert file.name.startswith(number)
        expected.append(f"* {number} [{title}]({file.name})")
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("* ")] == expected


def test_generated_pages_have_no_place_in_the_repository_and_no_broken_link() -> None:
    assert not (ROOT / build.REFERENCE).exists()
    assert all(page.startswith(f"{build.REFERENCE}/") for page in generated())
    assert build.faults(build.committed() | generated()) == []


def test_strict_mode_looks_at_pages_links_and_anchors() -> None:
    validation = CONFIG["validation"]
    assert validation["links"] == dict.fromkeys(
        ("not_found", "anchors", "absolute_links", "unrecognized_links"), "warn"
    )
    assert validation["nav"] == dict.fromkeys(("omitted_files", "not_found", "absolute_links"), "warn")
    for key, folder in (("docs_dir", "pages"), ("site_dir", "html")):
        assert (build.CONFIG.parent / CONFIG[key]).resolve() == build.STAGE / folder


def test_the_stage_has_the_pages_and_the_files_they_link(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_text("gone")
    pages = build.committed()
    build.stage(pages, tmp_path)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there - set(pages) >= {"deploy/docs/demo.svg", "deploy/docs/adr/0014-fencing/takeover.py"}
    assert set(pages) <= there
    assert "old.md" not in there
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("markup", "addresses"),
    [
        ('<a href="https://example.org/">a link to follow</a><img src="a.png"><link href="b.css">', []),
        ('<script src="https://example.org/a.js"></script>', ["https://example.org/a.js"]),
        ("<link rel=stylesheet href=//example.org/a.css>", ["//example.org/a.css"]),
    ],
)
def test_a_page_that_loads_something_from_another_host_is_named(
    tmp_path: Path, markup: str, addresses: list[str]
) -> None:
    (tmp_path / "a.html").write_text(markup)
    assert build.loaded(tmp_path) == [f"a.html: loads {address}" for address in addresses]


def test_the_sites_lock_is_hashed_names_no_address_and_has_all_packages_of_the_group() -> None:
    lock = ROOT / "deploy" / "locks" / "docs.txt"
    assert "://" not in lock.read_text(encoding="utf-8")
    assert all(hashes(lock).values())
    assert set(hashes(lock)) == {
        "==".join(pin) for pin in re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock.read_text(), re.M)
    }
    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["docs"]
    name, low, high = re.fullmatch(r"([a-z-]+)>=([0-9.]+),<([0-9.]+)", wanted).groups()  # type: ignore[union-attr]
    numbers = [[int(part) for part in text.split(".")] for text in (low, pins(lock)[name], high)]
    assert numbers == sorted(numbers)
    assert "mkdocs" not in pins(ROOT / "requirements.lock")


def test_ci_builds_the_site_with_the_same_command_as_everybody() -> None:
    assert "\nmake --no-print-directory docs\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^docs: setup .*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
