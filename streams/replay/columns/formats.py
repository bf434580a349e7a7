"""Declared forms of dates and times in text, as patterns that find each part by its name; and zones."""

import re
from types import MappingProxyType
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

_PARTS: Final = MappingProxyType({"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2})
"""Directives of a form, and their digits."""
_DIRECTIVE: Final = re.compile(r"%(.)")
_OFFSET: Final = re.compile(r"(?:UTC)?([+-])([0-9]{2})(?::?([0-9]{2}))?")
_HOURS_END: Final = 15  # the clocks of the world are at most 14 hours from UTC

ZONE_LENGTH_MAX: Final = 64

_Column = Annotated[str, Meta(min_length=1, max_length=128)]
_Spelling = Annotated[str, Meta(min_length=1, max_length=64)]
_Zone = Annotated[str, Meta(min_length=1, max_length=ZONE_LENGTH_MAX)]


class ZoneColumn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The zone of each row, from a column of IANA names or of offsets. `values` translates other spellings.

    They are compared in any case. A spelling that `values` does not list is refused.
    """

    column: _Column
    values: Annotated[dict[_Spelling, _Zone], Meta(max_length=1024)] = {}

    def __post_init__(self) -> None:
        if len({word.strip().lower() for word in self.values}) < len(self.values):
            raise ValueError("values lists a spelling twice")
        for zone in self.values.values():
            try:
                zone_of(zone)
            except ValueError:
                raise ValueError("values has no zone of the time zone database, nor an offset") from None

    @property
    def spelt(self) -> dict[str, str]:
        """The zones by spelling in lower case."""
        return {word.strip().lower(): zone for word, zone in self.values.items()}


def zone_of(text: str) -> str:
    """Return a zone as its IANA name, or an offset as seconds from UTC with a sign: +32400.

    Raises:
        ValueError: it is neither. The error holds no part of it.
    """
    offset = _OFFSET.fullmatch(text)
    if offset is not None:
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        if hours < _HOURS_END and minutes < 60:
            return f"{offset[1]}{hours * 3600 + minutes * 60}"
    elif len(text) <= ZONE_LENGTH_MAX:
        try:
            ZoneInfo(text)
        except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
            pass
        else:
            return text
    raise ValueError("is no zone of the time zone database, as Asia/Tokyo, nor an offset, as +09:00")


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
