"""Generate the page of metrics: `python -m streams.telemetry.page > deploy/docs/metrics.md`. A test compares them."""

from collections.abc import Iterator

from streams.telemetry.catalogue import CATALOGUE
from streams.telemetry.webhook import WEBHOOK

ALL = (*CATALOGUE, *WEBHOOK)


def markdown() -> str:
    """Return the page `deploy/docs/metrics.md`."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Metrics"
    yield ""
    yield "Metrics of a worker on `/metrics`, port 9464, and of `sekisho webhook` (`sekisho_webhook_`), port 9465. The"
    yield "dashboard and the alerts use them."
    yield ""
    yield "* Label values come from a closed set, or are partitions and versions of this worker. No label is a card,"
    yield "  merchant, device or free text."
    yield "* Counters start at 0 for every combination of labels that can occur."
    yield "* The worker also has the standard `process_*` metrics: CPU, memory, file descriptors, start time."
    yield ""
    yield "Made from `streams/telemetry/catalogue.py` by `python -m streams.telemetry.page`; do not edit."
    yield ""
    yield "| metric | kind | unit | stage | labels | meaning |"
    yield "|---|---|---|---|---|---|"
    for metric in ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {metric.unit} | {metric.stage} | {labels} | {metric.help} |"
    yield ""
    yield "## Label values"
    yield ""
    for metric in ALL:
        for label, values in metric.labels.items():
            shown = ", ".join(f"`{value}`" for value in values) if values else metric.bound
            yield f"* `{metric.name}{{{label}}}`: {shown}"
    yield ""
    yield "## Buckets"
    yield ""
    for metric in ALL:
        if metric.buckets:
            yield f"* `{metric.name}` ({metric.unit}): {', '.join(f'{bound:g}' for bound in metric.buckets)}"


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 -- the program prints its page
