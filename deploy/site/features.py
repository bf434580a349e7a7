"""The page of the model's features, by family, made from the list that training and scoring read."""

from collections.abc import Iterator

from deploy.site.shapes import escaped
from scoring.features.all import FEATURES, FEATURES_VERSION


def page() -> str:
    """Write the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Features"
    yield ""
    yield f"The {len(FEATURES)} inputs of a model, in families. Reasons are told by family."
    yield f"Version `{FEATURES_VERSION}`: a model that was trained on other features is refused."
    yield ""
    yield "A value that is not known is missing (NaN), never zero. Windows are of event time and end right before the"
    yield "event."
    for family in dict.fromkeys(feature.family for feature in FEATURES):
        yield ""
        yield f"## {family}"
        yield ""
        yield "| feature | unit | meaning |"
        yield "|---|---|---|"
        for feature in FEATURES:
            if feature.family == family:
                meaning = feature.doc.rstrip(".") + (" (categorical)" if feature.categorical else "")
                yield f"| `{feature.name}` | {escaped(feature.unit)} | {escaped(meaning)} |"
