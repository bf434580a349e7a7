"""Files that are made from code, with what makes them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from deploy.generated import schemas
from deploy.grafana import build as dashboard
from scoring.policy.reasons import page as reasons
from scoring.reference import threeds_page as threeds
from streams.config.load import default_policy
from streams.kafka.rights import page as rights
from streams.telemetry import page as metrics

RENEW: Final = "python -m deploy.generated --write"


class Made(NamedTuple):
    """One file, by its path from the root of the repository, and the function that makes its text."""

    file: str
    make: Callable[[], str]


def made(root: Path) -> Iterator[Made]:
    """List the files. A schema takes its words from the file itself, so it needs the folder."""
    yield Made("deploy/docs/metrics.md", metrics.markdown)
    yield Made("deploy/docs/reasons.md", reasons.markdown)
    yield Made("deploy/docs/rights.md", rights.markdown)
    yield Made("deploy/docs/threeds.md", threeds.markdown)
    yield Made("deploy/grafana/dashboards/sekisho.json", dashboard.render)
    yield Made("deploy/config/policy.yaml", lambda: default_policy().decode())
    for name in schemas.names(root):
        yield Made(f"{schemas.FOLDER}/schemas/{name}.json", partial(schemas.renewed, root, name))


def differing(root: Path) -> list[str]:
    """Name every file that is not what its code makes, with the command that renews it."""
    return [f"{item.file}: not what its source makes: run {RENEW}" for item in made(root) if _text(root, item) is None]


def write(root: Path) -> list[str]:
    """Renew every file that differs, and return their names."""
    renewed = [item for item in made(root) if _text(root, item) is None]
    for item in renewed:
        (root / item.file).write_text(item.make(), encoding="utf-8")
    return [item.file for item in renewed]


def _text(root: Path, item: Made) -> str | None:
    """Give the file's text if it is what its source makes."""
    file = root / item.file
    text = file.read_text(encoding="utf-8") if file.is_file() else None
    return text if text == item.make() else None
