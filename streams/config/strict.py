"""Convert plain data to frozen records. Errors name misspelt keys by path, with the most similar right name."""

import difflib
import re
import unicodedata
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_KEY_LENGTH_MAX = 64
_FOR_PEOPLE = frozenset({"reason", "author", "en", "ja", "when"})
"""Options with text for people, or a condition, which may have several lines. A condition checks its words itself."""
_PATH_ENDS = ("file", "_dir")
"""Ends of the names of options with a path, which may have any digits."""


class ConfigError(ValueError):
    """Raised when a configuration is refused. One line per fault, `file: path: fault`; never the value of a secret."""


def convert(data: object, record: type[T], origin: str) -> T:
    """Convert plain data to `record`. `origin` is the file's name, which begins every message.

    Raises:
        ConfigError: all unknown keys and texts with `impurity`; or else the first wrong value or broken rule.
    """
    if faults := faults_of(data, record, origin):
        raise ConfigError("\n".join(faults))
    try:
        return msgspec.convert(data, record)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {phrase(str(error))}") from None


def faults_of(data: object, record: type, origin: str) -> list[str]:
    """Return messages for the unknown keys of `data` and for texts with `impurity`."""
    return [f"{origin}: {fault}" for fault in _walk(data, inspect.type_info(record), "$")]


def phrase(message: str) -> str:
    """Return an error message of msgspec as `path: fault`."""
    found = _AT.match(message)
    assert found is not None
    what = found["what"].replace("`", "")
    what = what[:1].lower() + what[1:]
    if what.startswith("expected str, got int") or what.startswith("expected str, got float"):
        what += "; put it in quotes"
    elif what.startswith("expected array, got str"):
        what += "; write a list, one item for each: [a, b]"
    elif what.startswith("expected object") and (found["path"] or "").endswith("password"):
        what = "a secret is named, not written: {file: PATH} or {env: NAME}"
    return f"{found['path'] or '$'}: {what}"


def impurity(text: str, name: str) -> str | None:
    """Return the invisible fault in the text of option `name` and its remedy, or None. Never the text itself.

    Keys and codes are compared exactly. A line feed at the end of a merchant category, or a digit of another script,
    would match no event, without an error.
    """
    if name in _FOR_PEOPLE or (text.isascii() and text.isprintable() and text == text.strip()):
        return None
    if text != text.strip():
        return "has a blank or line break at its beginning or end: delete it"
    if any(_is_invisible(character) for character in text):
        return "has a line break, tabulator or invisible character: delete it"
    if not name.endswith(_PATH_ENDS) and any(character.isdigit() and not character.isascii() for character in text):
        return "has a digit that is none of 0 to 9: type it as one of them"
    return None


def _is_invisible(character: str) -> bool:
    return character != " " and unicodedata.category(character)[0] in "CZ"


def suggestion(key: str, known: list[str]) -> str:
    """Return text with the most similar known name, or with all of them if none is similar."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"


def _walk(data: object, kind: inspect.Type, path: str) -> list[str]:
    """Walk data and type together, and return faults. Keys are quoted, cut to 64 characters."""
    faults: list[str] = []
    if isinstance(kind, inspect.Metadata):
        return _walk(data, kind.type, path)
    if isinstance(kind, inspect.UnionType):
        for member in kind.types:
            faults += _walk(data, member, path) if _fits(data, member) else []
    elif isinstance(kind, inspect.StructType) and isinstance(data, dict):
        fields = {field.encode_name: field.type for field in kind.fields}
        for key, value in data.items():
            if key in fields:
                faults += _walk(value, fields[key], f"{path}.{key}")
            else:
                faults.append(f"{path}.{str(key)[:_KEY_LENGTH_MAX]}: unknown key; {suggestion(str(key), list(fields))}")
    elif isinstance(kind, inspect.DictType) and isinstance(data, dict):
        for key, value in data.items():
            if fault := impurity(key, ""):
                faults.append(f"{path}: a key {fault}")
            faults += _walk(value, kind.value_type, f"{path}.{str(key)[:_KEY_LENGTH_MAX]}")
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType) and isinstance(data, list):
        for index, value in enumerate(data):
            faults += _walk(value, kind.item_type, f"{path}[{index}]")
    elif isinstance(kind, inspect.StrType) and isinstance(data, str):
        fault = impurity(data, path.rpartition(".")[2])
        faults += [] if fault is None else [f"{path}: {fault}"]
    return faults


def _fits(data: Any, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.StructType | inspect.DictType):
        return isinstance(data, dict)
    if isinstance(kind, inspect.StrType):
        return isinstance(data, str)
    return isinstance(kind, inspect.ListType | inspect.VarTupleType) and isinstance(data, list)
