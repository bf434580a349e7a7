"""One page for each contract, made from its JSON Schema and its example."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

from deploy.site.shapes import Schema, escaped, is_nullable, kind, resolved

WHERE: Final = {
    "auth.event.v1": "Value of topic `authorizations` (in). Key: the card token.",
    "outcome.v1": "Value of topic `authorization-outcomes` (in). Key: the card token.",
    "threeds-result.v1": "Value of topic `threeds-results` (in, optional). Key: the card token.",
    "settlement.v1": "Value of topic `settlements` (in, optional, for `sekisho compliance report` only). Any key.",
    "label.v1": "Value of topic `fraud-reports` (in). Key: the card token.",
    "list-entry.v1": "Value of topic `lists` (in, optional, compacted). Key: `LIST/VALUE`, the id of the list in the "
    "policy and the value.",
    "merchant.v1": "Value of topic `merchants` (in, compacted). Key: `acquirer/merchant`.",
    "decision.v1": "Value of topic `decisions` (out). Key: the card token.",
    "alert.v1": "Value of topic `alerts` (out). Key: the dedup key.",
    "dead-letter.v1": "Value of topic `dead-letters` (out). Key: the coordinates of the record.",
}
"""Where a contract is used, as far as its name does not say."""


def names() -> list[str]:
    """List the contracts that ship."""
    folder = resources.files("scoring.contract") / "schemas"
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))


def shipped(folder: str, name: str) -> Any:
    """Read the schema (`schemas`) or the example (`examples`) of a contract."""
    return json.loads((resources.files("scoring.contract") / folder / f"{name}.json").read_text(encoding="utf-8"))


def page(name: str) -> str:
    """Write the page of one contract."""
    return "\n".join(_lines(name, shipped("schemas", name))) + "\n"


def _lines(name: str, schema: Schema) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    if name in WHERE:
        yield WHERE[name]
        yield ""
    yield schema["description"]
    yield ""
    yield f"Made from the JSON Schema that `sekisho schema {name}` prints. A field is required within its own object."
    yield ""
    yield "| field | type and bounds | required | meaning |"
    yield "|---|---|---|---|"
    for path, rule, required in fields(schema, schema):
        needed = "yes" if required else "no"
        yield f"| `{path}` | {kind(rule, schema)} | {needed} | {escaped(rule['description'])}{_default(rule)} |"
    yield ""
    yield "## Example"
    yield ""
    yield "```json"
    yield json.dumps(shipped("examples", name), indent=2, ensure_ascii=False)
    yield "```"


def fields(schema: Schema, root: Schema, before: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Yield every field with its path, its rule and whether its object must have it; those of objects behind them."""
    for name, rule in schema.get("properties", {}).items():
        path = f"{before}{name}"
        yield path, rule, name in schema.get("required", ())
        lists = (part for part in rule.get("anyOf", ()) if part.get("type") == "array")
        inner = next(lists, resolved(rule, root))  # a list or null too
        if inner.get("type") == "array" and isinstance(inner.get("items"), dict):
            path, inner = f"{path}[]", resolved(inner["items"], root)
        elif isinstance(inner.get("additionalProperties"), dict):  # a mapping whose keys are data
            path, inner = f"{path}.*", resolved(inner["additionalProperties"], root)
        yield from fields(inner, root, f"{path}.")


def _default(rule: Schema) -> str:
    if "default" not in rule or "const" in rule or (rule["default"] is None and is_nullable(rule)):
        return ""
    return f" Default: `{json.dumps(rule['default'])}`."
