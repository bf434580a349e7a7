"""Text for the result of a replay."""

from collections.abc import Iterator

from streams.replay.ranking import Ranking
from streams.replay.run import Result


def describe(result: Result) -> str:
    """Return the counts, the time and, with labels, the quality of the scores."""
    quality = [] if result.ranking is None else _quality(result.ranking)
    return "\n".join([*_account(result), *quality])


def _account(result: Result) -> Iterator[str]:
    account = result.account
    yield f"events sent        {account.sent:>12,}"
    yield f"decisions read     {account.decisions:>12,}"
    yield f"distinct ids       {account.distinct:>12,}"
    yield f"duplicates         {account.duplicates:>12,}"
    yield f"missing            {account.missing:>12,}"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(result.reasons.items()))
    yield f"dead letters       {account.dead_letters:>12,}{f'   ({reasons})' if reasons else ''}"
    yield f"repeats sent       {account.repeats:>12,}"
    if account.answers:
        yield f"answers sent       {account.answers:>12,}"
    if account.strangers:
        yield f"of other senders   {account.strangers:>12,}"
    if result.left_out:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(result.left_out.items()))
        yield f"rows refused       {sum(result.left_out.values()):>12,}   ({refused})"
    if result.empty:
        yield f"empty rows         {result.empty:>12,}"
    if result.unlabelled:
        yield f"label blank        {result.unlabelled:>12,}   (unknown is no fraud)"
    for field, count in result.other_records.items():
        yield f"{field.replace('_', ' '):<18} {count:>12,}"
    yield f"seconds            {result.seconds:>12,.1f}"
    yield f"events per second  {result.events_per_second:>12,.0f}"
    yield "exact: every event was decided once" if result.is_exact else "NOT exact: see the lines above"


def _quality(ranking: Ranking) -> Iterator[str]:
    yield ""
    yield f"labelled {ranking.events:,}, of them fraud {ranking.frauds:,} ({ranking.frauds / ranking.events:.2%})"
    yield f"AUC {ranking.auc:.4f}   average precision {ranking.average_precision:.4f}"
    yield "alerts   recall  by value  false per fraud"
    for at in ranking.at_rates:
        yield f"{at.rate:>6.1%}  {at.recall:>6.1%}  {at.value_recall:>8.1%}  {at.false_per_fraud:>15.1f}"
