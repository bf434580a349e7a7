"""Read YAML strictly into plain dicts and lists. Ambiguous documents are errors.

Only `true` and `false` are booleans (`NO` is Norway). A number with a leading zero is text (merchant category `0742`).
Dates are text, keys are text, and a duplicate key is an error. PyYAML parses into events; this module builds the
document from them, without recursion and within the limits below.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from typing import Any, Final

import yaml

DOCUMENT_BYTES_MAX: Final = 8 << 20
"""A policy of 100,000 merchants has about 8 MB."""

NODES_MAX: Final = 2_000_000
"""Limit of keys, values, lists and mappings together. That policy has about 1.5 million."""

DEPTH_MAX: Final = 32
"""Limit of nested lists and mappings. A configuration has six levels."""

_INT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:_[0-9]{3}){0,6}")
_FLOAT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_FORBIDDEN: Final = yaml.reader.Reader.NON_PRINTABLE


class DocumentError(ValueError):
    """Raised when a text is not one YAML mapping. The message gives line and column, and never quotes the text."""


def parse(text: bytes) -> dict[str, object]:
    """Parse one YAML document with a mapping at the top. An empty document is an empty mapping.

    Raises:
        DocumentError: wrong YAML, several documents, a duplicate key, a tag, an alias, too large or too deep.
    """
    if len(text) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"more than {DOCUMENT_BYTES_MAX:,} bytes are too many")
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{_position(text[: error.start].decode())}: not UTF-8") from None
    document = value_of(source)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise DocumentError("the top must be a mapping of sections")
    return document


def parse_shipped(text: bytes) -> dict[str, object]:
    """Parse a document of this release as `parse` does, ten times faster, by libyaml where PyYAML has it.

    Only for documents of which a test compares the two: libyaml accepts some texts that `parse` refuses.

    Raises:
        DocumentError: as of `parse`.
    """
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError, DocumentError):
            document = _Builder().build(_events_of(yaml.CSafeLoader(text)))
            if isinstance(document, dict):
                return document
    return parse(text)


def value_of(text: str) -> object:
    """Parse one YAML value: a scalar, a list or a mapping. An empty text is None.

    Raises:
        DocumentError: as of `parse`.
    """
    if len(text) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"more than {DOCUMENT_BYTES_MAX:,} characters are too many")
    made: object = _Builder().build(_events(text))
    return made


def _events(source: str) -> Iterator[yaml.Event]:
    try:
        loader = yaml.SafeLoader(source)
    except yaml.reader.ReaderError as error:
        raise DocumentError(f"{_position(source[: error.position])}: a character that YAML forbids") from None
    try:
        yield from _events_of(loader)
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"{_place(error.problem_mark)}: {_complaint(error)}") from None
    except (ValueError, OverflowError):  # PyYAML converts digits of an escape or a directive
        raise DocumentError(f"{_place(loader.get_mark())}: a number in an escape or a directive is too large") from None


def _events_of(loader: Any) -> Iterator[yaml.Event]:  # types-PyYAML has no types for the methods of either loader
    while loader.check_event():
        yield loader.get_event()


class _Builder:
    """Build one document. `_open`: containers that are not closed yet. `_keys`: the key that each has without value."""

    def __init__(self) -> None:
        self._open: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str | None] = []
        self._nodes = 0
        self._documents = 0
        self._top: Any = None

    def build(self, events: Iterator[yaml.Event]) -> Any:
        for event in events:
            if isinstance(event, yaml.NodeEvent):
                self._take(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                self._open.pop()
                self._keys.pop()
            elif isinstance(event, yaml.DocumentStartEvent):
                self._documents += 1
                if self._documents > 1:
                    raise DocumentError(f"{_place(event.start_mark)}: expected a single document")
        return self._top

    def _take(self, event: yaml.NodeEvent) -> None:
        place = event.start_mark
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) or event.tag is not None:
            raise DocumentError(f"{_place(place)}: aliases and tags are not read")
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise DocumentError(f"{_place(place)}: more than {NODES_MAX} keys and values")
        if self._open and isinstance(self._open[-1], dict) and self._keys[-1] is None:
            self._keys[-1] = self._key(event, self._open[-1])
            return
        if isinstance(event, yaml.ScalarEvent):
            self._put(_value(event))
            return
        if len(self._open) == DEPTH_MAX:
            raise DocumentError(f"{_place(place)}: nested deeper than {DEPTH_MAX} lists and mappings")
        container: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(container)
        self._open.append(container)
        self._keys.append(None)

    def _key(self, event: yaml.NodeEvent, mapping: dict[str, Any]) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise DocumentError(f"{_place(event.start_mark)}: a key must be plain text")
        key = _text(event)
        if key in mapping:
            raise DocumentError(f"{_place(event.start_mark)}: key {key[:64]!r} comes twice")
        return key

    def _put(self, value: Any) -> None:
        if not self._open:
            self._top = value
            return
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
            return
        key = self._keys[-1]
        assert key is not None, "a value comes after its key"
        container[key] = value
        self._keys[-1] = None


def _text(event: yaml.ScalarEvent) -> str:
    text: str = event.value
    if event.style == '"' and _FORBIDDEN.search(text):  # by an escape; the reader refuses it unescaped
        raise DocumentError(f"{_place(event.start_mark)}: a character that YAML forbids")
    return text


def _value(event: yaml.ScalarEvent) -> str | int | float | bool | None:
    """Return the typed value of a scalar, by the rules of YAML 1.2. In quotes it is text."""
    text = _text(event)
    if event.style:  # "" or None where it is plain
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not isfinite(number):
            raise DocumentError(f"{_place(event.start_mark)}: a number too large to compute with")
        return number
    return text


def _place(mark: Any) -> str:
    return "line ?" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _position(before: str) -> str:
    """Return line and column of the end of a text."""
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _complaint(error: yaml.MarkedYAMLError) -> str:
    """Return the text of an error without its excerpt of the document."""
    return ", ".join(part for part in (error.context, error.problem) if part)
