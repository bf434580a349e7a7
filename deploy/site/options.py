"""The page of the configuration: every key with its default, its bounds and what it means.

Keys, defaults and bounds are those of the settings' records; the meaning is the comment in `reference.yaml`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.site.shapes import Schema, escaped, kind, resolved
from streams.config.settings import Settings

CONFIG: Final = Path(__file__).resolve().parents[1] / "config"
KEY: Final = re.compile(r"^( *)([a-z_]+):(?: +([^#\s].*?))?(?: +# (.*))?$")
EXAMPLE: Final = re.compile(r"^ *[a-z_]+:(?: |$)")
WHOLE: Final = ("Secret", "FromEnv")
"""Objects that are shown in one cell."""


def page() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    text = (CONFIG / "reference.yaml").read_text(encoding="utf-8")
    told = meanings(text)
    yield "# Configuration"
    yield ""
    yield "A worker and most commands read one YAML file, named by `--config FILE`. It needs only the keys that differ"
    yield "from the defaults. `sekisho check-config FILE` reads it as the worker would. An unknown key is an error that"
    yield "names its path."
    yield ""
    yield "Durations end in `_s` or `_ms`, sizes in `_bytes`. A secret is named, never written: `{file: PATH}` or"
    yield "`{env: NAME}`."
    yield ""
    yield "Made from the settings' records and the comments of `deploy/config/reference.yaml`."
    for section, block in sections(text).items():
        yield ""
        yield f"## {section}"
        if section in told:
            yield ""
            yield f"{told[section][0].upper()}{told[section][1:]}."
        yield ""
        yield "| key | default | type and bounds | meaning |"
        yield "|---|---|---|---|"
        for path, default, bounds in options():
            if path.split(".")[0] == section:
                yield f"| `{path}` | {default} | {bounds} | {escaped(told.get(path, ''))} |"
        yield ""
        yield "As in `reference.yaml`:"
        yield ""
        yield "```yaml"
        yield block
        yield "```"
    yield from _policy()


def _policy() -> Iterator[str]:
    yield ""
    yield "## The policy file"
    yield ""
    yield "`policy: {file: PATH}` names it; a relative path starts where the process runs."
    yield "`sekisho config check --policy PATH` checks it alone."
    yield "`acquirers_dir` names a folder with a file for each acquirer."
    yield ""
    yield "This is the policy that is used where none is named:"
    yield ""
    yield "```yaml"
    yield (CONFIG / "policy.yaml").read_text(encoding="utf-8").rstrip()
    yield "```"


def options() -> Iterator[tuple[str, str, str]]:
    """Yield path, default and bounds of every key, as texts of table cells, in the order of the records."""
    root = msgspec.json.schema(Settings)
    defaults = msgspec.to_builtins(Settings())
    yield from _options(resolved(root, root), root, defaults, "")


def _options(schema: Schema, root: Schema, defaults: Any, before: str) -> Iterator[tuple[str, str, str]]:
    for name, rule in schema["properties"].items():
        path = f"{before}{name}"
        inner = resolved(rule, root)
        default = defaults.get(name, ...) if isinstance(defaults, dict) else rule.get("default", ...)
        is_object = "properties" in inner and inner.get("title") not in WHOLE
        if path == "kafka.profile":  # by name where one is known
            yield path, f"`{default['name']}`", "`apache-kafka`, `embedded` or an object"
        elif before and (not is_object or default is None):
            yield path, "" if default is ... else f"`{escaped(json.dumps(default))}`", kind(rule, root)
        if is_object:
            yield from _options(inner, root, default if path != "kafka.profile" else None, f"{path}.")


def sections(text: str) -> dict[str, str]:
    """Cut the file into its sections, by their keys: the comments right before a section are its own."""
    blocks = re.split(r"\n\n(?=[a-z])", text.rstrip())
    return {block.split(":", 1)[0]: block for block in blocks[1:]}


def meanings(text: str) -> dict[str, str]:
    """Read the comments of the file by the path of the key that they explain.

    A comment behind a key explains it, and so do the lines of prose right before it. Keys in comments are examples:
    they are explained likewise, and the prose before them is about the example.
    """
    found: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    prose: list[str] = []
    for raw in text.splitlines():
        line, is_comment = re.subn(r"^( *)# ?", r"\1", raw)
        is_key = bool(KEY.match(line) and EXAMPLE.match(line))
        if not raw.strip() or (is_comment and not is_key):
            prose = [*prose, line.strip()] if raw.strip() else []
            continue
        if not is_key:
            continue
        indent, name, _, comment = KEY.match(line).groups()  # type: ignore[union-attr]
        path = [*((depth, key) for depth, key in path if depth < len(indent)), (len(indent), name)]
        full = ".".join(key for _, key in path)
        parts = [comment or "", *([] if is_comment else prose)]
        if said := " ".join(part for part in parts if part):
            found.setdefault(full, said)
        prose = []
    return found
