"""Links, anchors and layout of Markdown pages, checked without building the site.

A link must hold in two places: in the repository, and on the site, which keeps the repository's paths. Links to other
hosts are not fetched.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

FENCE: Final = re.compile(r"^\s*(```+|~~~+)")
CODE: Final = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK: Final = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]*(?:\([^()\s]*\))?[^()\s]*)\)")
ELSEWHERE: Final = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
HEADING: Final = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
ITEM: Final = re.compile(r"^([*+-]|\d+\.) ")


class Link(NamedTuple):
    """One link of a page: its line, counted from 1, and its target as written."""

    line: int
    target: str


def prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines of a page outside its fenced code; a fence reads as a blank line."""
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        marker = FENCE.match(line)
        if fence:
            if marker and marker[1].startswith(fence):
                fence = ""
            continue
        if marker:
            fence = marker[1]
            yield number, ""
        else:
            yield number, line


def links(text: str) -> Iterator[Link]:
    """Yield the links and images of a page, without those in code."""
    for number, line in prose(text):
        for match in LINK.finditer(CODE.sub("", line)):
            yield Link(number, match[1])


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings: lower case, without punctuation, spaces as dashes (GitHub's rule).

    The site uses the same rule (`slugify` in `mkdocs.yml`). Of headings that come twice only the first has an anchor
    here: the two places number the others differently.
    """
    return {anchor(match[1]) for _, line in prose(text) if (match := HEADING.match(line))}


def anchor(title: str) -> str:
    """Return the anchor of one heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
    return re.sub(r"[^\w\- ]", "", plain.lower()).strip().replace(" ", "-")


def target_of(page: str, target: str) -> tuple[str, str]:
    """Split a relative link into the path it names, from the root of the repository, and its anchor."""
    path, _, fragment = target.partition("#")
    named = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return named, fragment


def broken(pages: Mapping[str, str], root: Path) -> list[str]:
    """List every broken link: `page:line: target: cause`.

    Args:
        pages: text of each page by its path from the root, generated pages among them.
        root: the repository, for links to files that are no pages.
    """
    known = {page: anchors(text) for page, text in pages.items()}
    found = []
    for page, text in pages.items():
        for link in links(text):
            if why := _fault(page, link.target, known, root):
                found.append(f"{page}:{link.line}: {link.target}: {why}")
    return found


def _fault(page: str, target: str, known: Mapping[str, set[str]], root: Path) -> str | None:
    if ELSEWHERE.match(target):
        return None
    if not target or target.startswith("/"):
        return "not a relative path"
    path, fragment = target_of(page, target)
    if path.startswith(".."):
        return "leaves the repository"
    if path in known:
        return f"no heading makes the anchor #{fragment}" if fragment and fragment not in known[path] else None
    if (root / path).is_dir():
        return "a folder: link a page in it"
    if not (root / path).is_file():
        return "no such file"
    return "an anchor in a file that is no page" if fragment else None


def files(pages: Mapping[str, str]) -> set[str]:
    """List linked files that are no pages: the site must contain them."""
    named = {
        target_of(page, link.target)[0]
        for page, text in pages.items()
        for link in links(text)
        if not ELSEWHERE.match(link.target)
    }
    return named - set(pages)


def misread(page: str, text: str) -> list[str]:
    """List the lines that a repository's viewer and the site show differently.

    The site's Markdown wants a blank line before a list and a table, and four spaces before what is nested in a list.
    """
    found, first, previous = [], "", ""
    for number, line in prose(text):
        if not previous.strip() or HEADING.match(previous):
            first = line
        if ITEM.match(line) and not ITEM.match(first):
            found.append(f"{page}:{number}: a list begins within a paragraph: put a blank line before it")
        if line.startswith("|") and not first.startswith("|"):
            found.append(f"{page}:{number}: a table begins within a paragraph: put a blank line before it")
        indent = len(line) - len(line.lstrip(" "))
        if 0 < indent < 4 and (ITEM.match(line.lstrip()) or not previous.strip()):
            found.append(f"{page}:{number}: indented by {indent}: four spaces nest, fewer do not")
        previous = line
    return found
