"""Common parts of the panels' PromQL."""

WORKERS = 'job="$job", instance=~"$instance"'
"""Selector of the chosen workers of the chosen deployment."""


def rate(metric: str, *matchers: str) -> str:
    """Return the per-second rate of a counter at the chosen workers, over at least four scrapes."""
    return f"rate({metric}{{{', '.join((WORKERS, *matchers))}}}[$__rate_interval])"


def ratio(part: str, whole: str, by: str = "") -> str:
    """Divide summed rates, `part` by the label `by` if there is one. No value while `whole` does not increase."""
    if not by:
        return f"sum({part}) / sum({whole})"
    return f"sum by ({by}) ({part}) / scalar(sum({whole}))"


def share(metric: str, label: str) -> str:
    """Return the share of each value of `label` in a counter."""
    return ratio(rate(metric), rate(metric), by=label)


def quantile(level: float, histogram: str, *by: str) -> str:
    """Interpolate a quantile (0 to 1) of a histogram over all chosen workers."""
    return f"histogram_quantile({level}, sum by ({', '.join((*by, 'le'))}) ({rate(histogram + '_bucket')}))"
