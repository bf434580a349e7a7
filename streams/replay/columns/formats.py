"""Declared forms of dates and times in text, as patterns that find each part by its name."""

import re
from types import MappingProxyType
from typing import Final

_PARTS: Final = MappingProxyType({"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2})
"""Directives of a form, and their digits."""
_DIRECTIVE: Final = re.compile(r"%(.)")


def pattern_of(form: str) -> str:
    """Return the pattern of a form such as `%d.%m.%Y %H:%M`, with a group for each part.

    A part may lack its leading zero, as in 1.3.2026, where another character is between it and the next part.

    Raises:
        ValueError: a directive is unknown or comes twice, or there is no whole date.
    """
    texts = _DIRECTIVE.split(form)
    names = texts[1::2]
    for name in names:
        if name not in _PARTS:
            raise ValueError("format knows %Y %y %m %d %H %M %S and no other directive")
    if len(set(names)) < len(names):
        raise ValueError("format has a directive twice")
    if not {"m", "d"} <= set(names) or len({"Y", "y"} & set(names)) != 1:
        raise ValueError("format needs %d, %m, and %Y or %y")
    if ("M" in names and "H" not in names) or ("S" in names and "M" not in names):
        raise ValueError("format has minutes without hours, or seconds without minutes")
    if "%" in "".join(texts[::2]):
        raise ValueError("format ends in the middle of a directive")
    out = [re.escape(texts[0])]
    for place, name in enumerate(names):
        before, after = texts[2 * place], texts[2 * place + 2]
        is_joined = (not before and place > 0) or (not after and place < len(names) - 1)
        digits = _PARTS[name]
        out.append(f"(?P<{name}>[0-9]{{{digits if is_joined or digits > 2 or name == 'y' else f'1,{digits}'}}})")
        out.append(re.escape(after))
    return f"^{''.join(out)}$"
