"""What changes between two policies: alerts gained and lost, merchants with more and fewer, examples with reasons."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from models.backtest.judged import Judged
from models.backtest.scored import Fate, Scored, Why
from scoring.contract.codes import Band
from scoring.contract.decision import Reason
from scoring.policy.explain import Subject, explained

MERCHANTS_MAX: Final = 20
EXAMPLES_MAX: Final = 3

Flags = NDArray[np.bool_]


class Change(Struct, frozen=True, kw_only=True):
    """Counted payments that one thing happened to: alerts that the candidate adds and takes away, with their yen."""

    fate: str
    gained: int
    gained_jpy: int
    lost: int
    lost_jpy: int


class Merchant(Struct, frozen=True, kw_only=True):
    """A merchant's counted payments, and its alerts by the current policy and by the candidate.

    `other`: alerts on payments that are no reported fraud.
    """

    acquirer: str
    merchant: str
    payments: int
    frauds: int
    alerts_current: int
    alerts_candidate: int
    frauds_alerted_current: int
    frauds_alerted_candidate: int
    other_current: int
    other_candidate: int
    fraud_alerted_jpy_current: int
    fraud_alerted_jpy_candidate: int


class Example(Struct, frozen=True, kw_only=True):
    """A payment, and why its score is what it is. `alerts_from`: the score from which the policy raises an alert there.

    `reasons` raised the score, whether it was enough or not.
    """

    event_id: str
    acquirer: str
    merchant: str
    time: str
    amount_jpy: int | None
    fate: str
    score: int
    band: str
    alerts_from: int
    reasons: list[Reason]


class Examples(Struct, frozen=True, kw_only=True):
    """Examples of one cell: those with most yen. `what`: ALERTED, MISSED, GAINED, LOST; `count`: all of the cell."""

    what: str
    fate: str
    count: int
    examples: list[Example]


def changes(rows: Scored, before: Flags, after: Flags) -> Iterator[Change]:
    """Give the change of each fate."""
    for fate in Fate:
        some = rows.is_counted & (rows.fates == fate)
        gained, lost = some & after & ~before, some & before & ~after
        yield Change(
            fate=fate.name,
            gained=int(gained.sum()),
            gained_jpy=int(rows.yen[gained].sum()),
            lost=int(lost.sum()),
            lost_jpy=int(rows.yen[lost].sum()),
        )


def merchants(rows: Scored, before: Flags, after: Flags) -> tuple[list[Merchant], list[Merchant]]:
    """Return the merchants with most alerts more, and with most fewer; of equal ones those with more payments."""
    some = rows.is_counted
    keys, places = np.unique(rows.particulars.merchant[some], return_inverse=True)
    yen, frauds = rows.yen[some], rows.fates[some] == Fate.FRAUD
    was, now = before[some], after[some]

    def per(flags: Flags, weights: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        own = None if weights is None else weights[flags]
        return np.rint(np.bincount(places[flags], own, len(keys))).astype(np.int64)

    columns = {
        "payments": per(np.ones(len(was), np.bool_)),
        "frauds": per(frauds),
        "alerts_current": per(was),
        "alerts_candidate": per(now),
        "frauds_alerted_current": per(was & frauds),
        "frauds_alerted_candidate": per(now & frauds),
        "other_current": per(was & ~frauds),
        "other_candidate": per(now & ~frauds),
        "fraud_alerted_jpy_current": per(was & frauds, yen),
        "fraud_alerted_jpy_candidate": per(now & frauds, yen),
    }
    change = columns["alerts_candidate"] - columns["alerts_current"]
    names = [rows.particulars.names[key] for key in keys.tolist()]

    def one(k: int) -> Merchant:
        acquirer, merchant = names[k]
        return Merchant(acquirer=acquirer, merchant=merchant, **{name: int(own[k]) for name, own in columns.items()})

    order = sorted(range(len(keys)), key=lambda k: (-int(change[k]), -int(columns["payments"][k]), names[k]))
    more = [one(k) for k in order if change[k] > 0][:MERCHANTS_MAX]
    order.sort(key=lambda k: (int(change[k]), -int(columns["payments"][k]), names[k]))
    return more, [one(k) for k in order if change[k] < 0][:MERCHANTS_MAX]


def examples(rows: Scored, judged: Judged, why: Why, before: Judged | None = None) -> list[Examples]:
    """Give examples of alerts by fate, of missed frauds, and of alerts gained and lost since `before`."""
    alerts, some = judged.alerts, rows.is_counted
    kinds = [("ALERTED", alerts, tuple(Fate)), ("MISSED", ~alerts, (Fate.FRAUD,))]
    if before is not None:
        kinds += [("GAINED", alerts & ~before.alerts, tuple(Fate)), ("LOST", before.alerts & ~alerts, tuple(Fate))]
    chosen: list[tuple[str, Fate, int, list[int]]] = []
    for what, flags, fates in kinds:
        for fate in fates:
            found = np.flatnonzero(some & flags & (rows.fates == fate))
            if len(found):
                order = np.argsort(-rows.yen[found], kind="stable")[:EXAMPLES_MAX]
                chosen.append((what, fate, len(found), found[order].tolist()))
    ids = rows.particulars.event_ids({row for *_, own in chosen for row in own})
    return [
        Examples(what=what, fate=fate.name, count=count, examples=payments(rows, judged, why, own, ids))
        for what, fate, count, own in chosen
    ]


def payments(rows: Scored, judged: Judged, why: Why, own: Sequence[int], ids: Mapping[int, str]) -> list[Example]:
    """Tell the payments of some rows. `ids`: their event ids."""
    found = []
    for row in own:
        acquirer, merchant = rows.particulars.names[int(rows.particulars.merchant[row])]
        at_ms, amount = int(rows.event_ms[row]), int(rows.amount_jpy[row])
        subject = Subject(acquirer, merchant, f"{int(rows.particulars.mcc[row]):04}", at_ms)
        levels = explained(judged.policy_of(row), subject).thresholds
        found.append(
            Example(
                event_id=ids[row],
                acquirer=acquirer,
                merchant=merchant,
                time=datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
                amount_jpy=None if amount < 0 else amount,
                fate=Fate(int(rows.fates[row])).name,
                score=int(rows.scores[row]),
                band=Band(int(judged.bands[row])).name,
                alerts_from=getattr(levels, judged.policy.alerts.minimum_band.lower()),
                reasons=list(judged.reasons(row, why)),
            )
        )
    return found
