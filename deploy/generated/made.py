"""Files that are generated from code, with their generators."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from deploy.generated import schemas
from deploy.grafana import build as dashboard
from scoring.policy.reasons import page as reasons
from scoring.policy.rules import page as rules
from scoring.reference import threeds_page as threeds
from streams.config.policies import default_policy
from streams.kafka.rights import page as rights
from streams.telemetry import page as metrics

RENEW: Final = "python -m deploy.generated --write"


class Made(NamedTuple):
    """A generated file: its path from the root of the repository, and the function that returns its text."""

    file: str
    make: Callable[[], str]


def made(root: Path) -> Iterator[Made]:
    """List the files. A schema keeps the texts of its file, so it needs the folder."""
    yield Made("deploy/docs/metrics.md", metrics.markdown)
    yield Made("deploy/docs/reasons.md", reasons.markdown)
    yield Made("deploy/docs/rule-variables.md", rules.markdown)
    yield Made("deploy/docs/rights.md", rights.markdown)
    yield Made("deploy/docs/threeds.md", threeds.markdown)
    yield Made("deploy/grafana/dashboards/sekisho.json", dashboard.render)
    yield Made("deploy/config/policy.yaml", lambda: default_policy().decode())
    for name in schemas.names(root):
        yield Made(f"{schemas.FOLDER}/schemas/{name}.json", partial(schemas.renewed, root, name))


def differing(root: Path) -> list[str]:
    """List every file that differs from its generator's text, with the command that writes it again."""
    return [f"{item.file}: not what its source makes: run {RENEW}" for item in made(root) if _text(root, item) is None]


def write(root: Path) -> list[str]:
    """Write every file that differs, and return their names."""
    renewed = [item for item in made(root) if _text(root, item) is None]
    for item in renewed:
        (root / item.file).write_text(item.make(), encoding="utf-8")
    return [item.file for item in renewed]


def _text(root: Path, item: Made) -> str | None:
    """Return the generated text if the file is equal to it."""
    file = root / item.file
    text = file.read_text(encoding="utf-8") if file.is_file() else None
    return text if text == item.make() else None
