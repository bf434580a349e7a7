"""HTML of the pages: words in two languages, tables, numbers."""

from html import escape

Words = tuple[str, str]
"""English and Japanese."""


def table(head: tuple[Words, ...], lines: str) -> str:
    """Return a table; `lines`: its rows as HTML."""
    cells = "".join(f"<th>{both(words)}</th>" for words in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"


def number(value: float | None, digits: int) -> str:
    """Write a number, or a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def both(words: Words) -> str:
    """Return words in both languages; style sheets show those that are wanted."""
    return f'<span lang="en">{escape(words[0])}</span> <span lang="ja">{escape(words[1])}</span>'


def said(en: str, ja: str) -> str:
    """Return a paragraph in both languages."""
    return f"<p>{both((en, ja))}</p>"
