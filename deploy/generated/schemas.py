"""JSON Schemas of the contracts: types and bounds are from the records, titles and descriptions from the files.

A record has no titles and descriptions, so a schema file keeps its own. A new field has no description at first, and a
test demands one.
"""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any, Final

import msgspec
from jsonschema import Draft202012Validator

import scoring.contract

Json = dict[str, Any]

FOLDER: Final = "scoring/contract"
WORDS: Final = ("description", "title")
RULES: Final = ("allOf",)
"""Rules of a schema about several fields together: kept from the file."""
STRICTER: Final = {("Merchant", "mcc"), ("Card", "bin"), ("Card", "last4"), ("Amount", "currency")}
"""Rules that the decoder checks besides the types: the schema has more than the record here, and keeps it."""


def names(root: Path) -> list[str]:
    """List the contracts that ship, by their schemas."""
    return sorted(file.name.removesuffix(".json") for file in (root / FOLDER / "schemas").glob("*.json"))


def record(name: str) -> type[msgspec.Struct] | None:
    """Find the record of a contract: the one whose `schema_version` is its name."""
    for module in pkgutil.iter_modules(scoring.contract.__path__):
        for found in vars(importlib.import_module(f"scoring.contract.{module.name}")).values():
            if isinstance(found, type) and issubclass(found, msgspec.Struct) and _version(found) == name:
                return found
    return None


def _version(of: type[msgspec.Struct]) -> str | None:
    field = next((field for field in msgspec.structs.fields(of) if field.name == "schema_version"), None)
    kind = None if field is None else msgspec.inspect.type_info(field.type)
    return str(kind.values[0]) if isinstance(kind, msgspec.inspect.LiteralType) else None


def renewed(root: Path, name: str) -> str:
    """Generate a schema: shape and bounds of the record, texts of the present file."""
    shipped: Json = read(root, "schemas", name)
    of = record(name)
    if of is None:
        return json.dumps(shipped, indent=2, ensure_ascii=False) + "\n"
    _, parts = msgspec.json.schema_components([of], ref_template="#/$defs/{name}")
    present: Json = {**shipped.get("$defs", {}), of.__name__: shipped}
    kinds = [of.__name__, *sorted(set(parts) - {of.__name__}, key=_place(list(present)))]
    whole = {kind: _definition(kind, parts[kind], present.get(kind, {})) for kind in kinds}
    top: Json = {key: shipped[key] for key in ("$schema", "$id") if key in shipped}
    top |= whole.pop(of.__name__)
    if whole:
        top["$defs"] = whole
    return json.dumps(top, indent=2, ensure_ascii=False) + "\n"


def _place(order: list[str]) -> Any:
    return lambda kind: (order.index(kind) if kind in order else len(order), kind)


def _definition(kind: str, rule: Json, told: Json) -> Json:
    fields = {
        name: _field((kind, name) in STRICTER, field, told.get("properties", {}).get(name, {}))
        for name, field in rule["properties"].items()
    }
    shape: Json = {str(key): told[key] for key in ("title", "description") if key in told}
    shape |= {"type": "object", "properties": fields}
    if rule.get("required") or "required" in told:
        shape["required"] = rule.get("required", [])
    return shape | {"additionalProperties": True} | {key: told[key] for key in RULES if key in told}


def _field(is_stricter: bool, rule: Json, told: Json) -> Json:
    if is_stricter or _bare(told) == _bare(rule):
        return told
    return {"description": told.get("description", ""), **rule}


def _bare(schema: Json) -> Json:
    """Drop what only explains; a constant and a single value are one."""
    bare = {key: value for key, value in schema.items() if key not in WORDS}
    if "const" in bare:
        bare["enum"] = [bare.pop("const")]
    if bare.get("default", "") is None:
        del bare["default"]
    return bare


def read(root: Path, folder: str, name: str) -> Any:
    """Read the schema or the example of a contract."""
    return json.loads((root / FOLDER / folder / f"{name}.json").read_text(encoding="utf-8"))


def faults(root: Path) -> list[str]:
    """Name schemas without a record, and examples that are missing or that schema or record refuse."""
    found = []
    for name in names(root):
        place = f"{FOLDER}/examples/{name}.json"
        of = record(name)
        if of is None:
            found.append(f"{FOLDER}/schemas/{name}.json: no record in {FOLDER} has this schema_version")
        elif not (root / place).is_file():
            found.append(f"{place}: missing: write it by hand")
        elif why := _refused(of, read(root, "schemas", name), read(root, "examples", name)):
            found.append(f"{place}: {why}: edit it")
    return found


def _refused(of: type[msgspec.Struct], schema: Json, example: Any) -> str | None:
    errors = sorted(error.json_path for error in Draft202012Validator(schema).iter_errors(example))
    if errors:
        return f"refused by its schema at {errors[0]}"
    try:
        msgspec.json.decode(json.dumps(example).encode(), type=of)
    except msgspec.ValidationError as error:
        return f"refused by its record: {error}"
    return None
