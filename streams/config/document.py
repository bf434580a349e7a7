"""YAML read strictly into plain dicts and lists: what a misread document would hide is an error instead."""

import re
from typing import Any

import yaml

DOCUMENT_BYTES_MAX = 8 << 20
"""A policy of 100,000 merchants takes about 8 MB; anything larger is not a configuration."""


class DocumentError(ValueError):
    """A text is not one YAML mapping; the message names line and column and never quotes the text."""


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe subset, read by the 1.2 rules that people expect.

    Only `true` and `false` are booleans (so that `NO` is Norway), a number with a leading zero is text (so that
    a merchant category stays `0742`), dates stay text, keys are text, and a key that comes twice is an error.
    """


_StrictLoader.yaml_implicit_resolvers = {}
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9][0-9]{0,17})(?:_[0-9]{3})*$"), list("-0123456789")
)
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][-+]?[0-9]+)?$"), list("-0123456789")
)
_StrictLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise DocumentError(f"{_place(key_node.start_mark)}: a key must be plain text")
        key = key_node.value
        if key in mapping:
            raise DocumentError(f"{_place(key_node.start_mark)}: key {key[:64]!r} comes twice")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_StrictLoader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _place(mark: yaml.error.Mark | None) -> str:
    return "line ?" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _complaint(error: yaml.MarkedYAMLError) -> str:
    """Word an error without the excerpt of the text that its own wording carries."""
    return ", ".join(part for part in (error.context, error.problem) if part)


def parse(text: bytes) -> dict[str, Any]:
    """Parse one YAML document whose top is a mapping; an empty one is an empty mapping.

    Raises:
        DocumentError: it is not that: broken YAML, several documents, a key twice, a tag, an alias, too large.
    """
    if len(text) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"{len(text)} bytes are too many: at most {DOCUMENT_BYTES_MAX}")
    try:
        source = text.decode("utf-8")
        for token in yaml.scan(source, Loader=_StrictLoader):
            if isinstance(token, yaml.AliasToken | yaml.TagToken):
                raise DocumentError(f"{_place(token.start_mark)}: aliases and tags are not read")
        document = yaml.load(source, Loader=_StrictLoader)  # noqa: S506 -- a subclass of the safe loader
    except UnicodeDecodeError:
        raise DocumentError("not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"{_place(error.problem_mark)}: {_complaint(error)}") from None
    except yaml.YAMLError:  # a character that YAML forbids
        raise DocumentError("not YAML: it holds a character that YAML forbids") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise DocumentError("the top must be a mapping of sections")
    return document
