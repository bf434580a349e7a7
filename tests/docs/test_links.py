"""Every link of every Markdown file has a target, in the repository and on the site."""

from pathlib import Path

import pytest

from deploy.site import links

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for folder in ("*.md", "deploy/**/*.md", "streams/**/*.md", "scoring/**/*.md", "models/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(folder)
}


def test_every_link_of_every_page_leads_to_a_page_a_file_or_a_heading() -> None:
    assert {"README.md", "CONTRIBUTING.md", "deploy/docs/runbook.md", "deploy/docs/adr/0001-dependencies.md"} <= set(
        PAGES
    )
    assert links.broken(PAGES, ROOT) == []
    followed = [link for text in PAGES.values() for link in links.links(text) if not links.ELSEWHERE.match(link.target)]
    assert len(followed) > 80


def test_the_site_lays_every_page_out_as_the_repository_does() -> None:
    assert [fault for page in PAGES for fault in links.misread(page, PAGES[page])] == []


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("there.md", None),
        ("there.md#first-things-and-second", None),
        ("#here-c", None),
        ("../pyproject.toml", None),
        ("https://example.org/nothing#at-all", None),
        ("mailto:someone@example.org", None),
        ("there.md#first-things", "no heading makes the anchor #first-things"),
        ("#there", "no heading makes the anchor #there"),
        ("nowhere.md", "no such file"),
        ("../pyproject.toml#project", "an anchor in a file that is no page"),
        ("../deploy", "a folder: link a page in it"),
        ("../../elsewhere.md", "leaves the repository"),
        ("/deploy/README.md", "not a relative path"),
        ("", "not a relative path"),
    ],
)
def test_a_link_is_judged_by_the_page_it_stands_on(target: str, why: str | None) -> None:
    pages = {
        "docs/here.md": f"# Here: `c`?\n\nSee [it](there.md), and\n[this]({target}).\n",
        "docs/there.md": "## First things, and *second*\n",
    }
    assert links.broken(pages, ROOT) == ([] if why is None else [f"docs/here.md:4: {target}: {why}"])


def test_code_has_no_links_or_headings() -> None:
    text = "# A\n\n`[x](y)` and ``[`x`](y)`` but [z](w)\n\n```\n# B\n[x](y)\n```\n\n"
    text += "~~~~\n# C\n~~~\n[x](y)\n~~~~\n[last](v)\n"
    assert links.anchors(text) == {"a"}
    assert list(links.links(text)) == [links.Link(3, "w"), links.Link(15, "v")]


def test_links_of_images_brackets_and_parentheses_are_whole() -> None:
    text = "![a picture](p.svg) [a [b] c](d.md) [e](f_(g).md)"
    assert [link.target for link in links.links(text)] == ["p.svg", "d.md", "f_(g).md"]
    assert links.files({"docs/x.md": text, "docs/d.md": ""}) == {"docs/p.svg", "docs/f_(g).md"}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Some:\n\n* a\n* b\n  more of b\n\n1. one\n2. two\n", []),
        ("# Heading\n* a\n", []),
        ("Some:\n* a\n", [2]),
        ("Some:\n1. a\n", [2]),
        ("Some:\n| a |\n|---|\n", [2, 3]),
        ("* a\n  * b\n", [2]),
        ("* a\n    * b\n", []),
        ("1. a\n\n   more\n", [3]),
        ("1. a\n\n    more\n", []),
        ("Some:\n```\n* a\n```\n", []),
    ],
)
def test_text_that_the_site_would_read_differently_is_named_by_line(text: str, lines: list[int]) -> None:
    assert [int(fault.split(":")[1]) for fault in links.misread("page.md", text)] == lines
