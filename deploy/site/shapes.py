"""Describe the rule of a JSON Schema at one place, in a few words for a table."""

import re
from typing import Any, Final

Schema = dict[str, Any]

PATTERNS: Final = {
    r"^[0-9]{4}$": "4 digits",
    r"^[0-9]{6,8}$": "6 to 8 digits",
    r"^[A-Za-z0-9._-]*\Z": "letters, digits, `.`, `_`, `-`",
    r"^[A-Za-z0-9._-]{1,249}\Z": "1 to 249 of letters, digits, `.`, `_`, `-`",
}
"""Patterns that read better in words; others are shown as they are."""

VALUES_MAX: Final = 40
"""A longer list of values is counted, not shown."""


def resolved(schema: Schema, root: Schema) -> Schema:
    """Follow the reference of a schema, through "or null" too; one without a reference is returned as it is."""
    for part in (schema, *schema.get("anyOf", ())):
        if "$ref" in part:
            found: Schema = root["$defs"][part["$ref"].rsplit("/", 1)[1]]
            return found
    return schema


def is_nullable(schema: Schema) -> bool:
    """Tell whether null is allowed."""
    return any(part.get("type") == "null" for part in schema.get("anyOf", ()))


def kind(schema: Schema, root: Schema) -> str:
    """Name type and bounds, as text of one table cell."""
    if "anyOf" in schema:
        parts = [kind(part, root) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(parts + ["null"] * is_nullable(schema))
    if "$ref" in schema:
        return kind(resolved(schema, root), root)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        values = schema["enum"]
        shown = [f"`{value}`" for value in values]
        return ", ".join(shown) if len(values) <= VALUES_MAX else f"one of {len(values)}, {shown[0]} to {shown[-1]}"
    return _typed(schema, root)


def _typed(schema: Schema, root: Schema) -> str:
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer" | "number":
            return f"{schema['type']}{_range(schema)}"
        case "array":
            return _list(schema, root)
        case "object" if schema.get("title") == "Secret":
            return "`{file: PATH}` or `{env: NAME}`"
        case "object" if schema.get("title") == "FromEnv":
            return "`{env: NAME}`"
        case "object" if "properties" in schema:
            return "object"
        case "object":
            return "mapping"
    return str(schema.get("type", "any"))


def _list(schema: Schema, root: Schema) -> str:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    size = f" ({least} to {most})" if most is not None else ""
    return f"list{size} of {kind(schema['items'], root)}"


def _text(schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "date-time (RFC 3339)"
    pattern = schema.get("pattern")
    if pattern is not None:
        return PATTERNS.get(pattern, f"text `{escaped(pattern)}`")
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if most is None:
        return "text"
    return f"text, {most} characters" if least == most else f"text, {least} to {most} characters"


def _range(schema: Schema) -> str:
    words = (
        ("exclusiveMinimum", "above"),
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    )
    bounds = {word: _number(schema[key]) for key, word in words if key in schema}
    if set(bounds) == {"at least", "at most"}:
        return f", {bounds['at least']} to {bounds['at most']}"
    return "".join(f", {word} {number}" for word, number in bounds.items())


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value}"


def escaped(text: str) -> str:
    """Keep a text from ending its table cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
