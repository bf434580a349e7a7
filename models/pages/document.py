"""A page as one file: its own style and script by hash, a choice of language, nothing from elsewhere."""

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from importlib import resources


def document(title: str, body: str, scripts: Sequence[str] = (), data: str = "", *, has_pictures: bool = False) -> str:
    """Write a page. `title`: plain text. `body`, and `data` after it: HTML. `scripts`: the only ones that run.

    `has_pictures`: the body has images as `data:` addresses.
    """
    style = resources.files("models.pages").joinpath("page.css").read_text(encoding="utf-8")
    own = " ".join(f"'{_hash(script)}'" for script in scripts) or "'none'"
    allowed = f"default-src 'none'; script-src {own}; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    if has_pictures:
        allowed += "; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(allowed)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        '<input type="radio" name="lang" id="both" checked><label for="both">English + 日本語</label>'
        '<input type="radio" name="lang" id="en"><label for="en">English</label>'
        '<input type="radio" name="lang" id="ja"><label for="ja">日本語</label>'
        f"<main>{body}</main>{data}{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}"
