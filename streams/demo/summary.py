"""The summary of the demonstration, as plain text."""

from collections import Counter
from collections.abc import Iterator, Sequence

from scoring.profile.row_plans import IDS
from streams.demo.audit import Audit, Balance
from streams.demo.findings import incidents, replays, standings
from streams.demo.state import State
from streams.demo.truth import Assessment, Catch, Episode
from streams.demo.view import milliseconds

_TYPOLOGIES = {
    "T1": "enumeration",
    "T2": "card testing",
    "T3": "stolen card",
    "T4": "account takeover",
    "T8": "cross-border",
    "T9": "phishing, resale",
    "T11": "3DS abuse",
}


def describe(state: State, assessment: Assessment, audit: Audit, made: Sequence[str]) -> str:
    """Return the summary: fraud by typology and episode, latency, faulty events, balance."""
    return "\n".join(
        [
            "",
            *_detection(assessment),
            "",
            *_by_typology(assessment),
            "",
            *_by_episode(assessment),
            "",
            *incidents.told(state.incidents),
            "",
            *standings.told(state.standings.values()),
            "",
            *replays.told(state.replays, assessment),
            "",
            *_flow(state, audit, made),
            "",
            *_balance(audit),
        ]
    )


def _detection(a: Assessment) -> Iterator[str]:
    yield "Against the simulator's truth (the live day; flagged is every decision above ALLOW)"
    yield (
        f"  flagged {a.flagged:,} events, {a.flagged_fraud:,} of them fraud: precision {percent(a.precision)}, "
        f"by value {percent(a.value_precision)}"
    )
    yield (
        f"  fraud {a.total.events:,} events: recall {percent(a.total.recall)}, "
        f"by value {percent(a.total.value_recall)} of {a.total.amount_jpy:,} yen"
    )
    rest = a.besides("T1")
    yield (
        f"  without enumeration, whose attempts are many and alike: {rest.events:,} events, "
        f"recall {percent(rest.recall)}, by value {percent(rest.value_recall)}"
    )
    yield f"  alerts {a.alerts:,} (one per case or incident), precision {percent(a.alert_precision)}"


def _by_typology(a: Assessment) -> Iterator[str]:
    yield f"  {'typology':<24}{'fraud':>8}{'flagged':>9}{'recall':>8}{'by value':>10}{'yen':>14}"
    for name, catch in sorted(a.typologies.items(), key=lambda item: (len(item[0]), item[0])):
        yield f"  {f'{name} {_TYPOLOGIES.get(name, str())}':<24}{_catch(catch)}{catch.amount_jpy:>14,}"


def _by_episode(a: Assessment) -> Iterator[str]:
    yield f"  {'episode':<24}{'fraud':>8}{'flagged':>9}{'recall':>8}{'by value':>10}   first flagged (event time)"
    episodes = sorted(a.episodes.items(), key=lambda item: (item[1].first_ms or 0, item[0]))
    named = [(name, episode) for name, episode in episodes if not _is_background(name)]
    for name, episode in named:
        yield f"  {name[:23]:<24}{_catch(episode.catch)}   {_when(episode)}"
    rest = [episode for name, episode in episodes if _is_background(name)]
    if rest:
        caught = sum(episode.flagged_ms is not None for episode in rest)
        yield f"  and {len(rest)} begun in the days before, {caught} of them flagged at least once"


def _is_background(name: str) -> bool:
    """Tell whether the simulator drew an episode at random (`T3-000012`), not by a plan with a name."""
    head, _, tail = name.partition("-")
    return head in _TYPOLOGIES and tail.isdigit()


def _catch(catch: Catch) -> str:
    return f"{catch.events:>8,}{catch.caught:>9,}{percent(catch.recall):>8}{percent(catch.value_recall):>10}"


def _when(episode: Episode) -> str:
    if episode.delay_ms is None:
        return "never"
    return f"event {episode.before + 1}, after {_duration(episode.delay_ms)}"


def _duration(ms: int) -> str:
    seconds = ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _flow(state: State, audit: Audit, made: Sequence[str]) -> Iterator[str]:
    latency = state.latency
    yield (
        f"Latency, from event sent to decision read: p50 {milliseconds(latency.overall(0.5))}, "
        f"p99 {milliseconds(latency.overall(0.99))} (this machine also ran broker, simulator and view)"
    )
    yield f"Sent on purpose: {', '.join(f'{what} x{n}' if n > 1 else what for what, n in Counter(made).items())}"
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(audit.reasons.items()))
    yield f"Dead letters: {reasons or 'none'}. Repeats: {audit.topics.repeats:,}, not decided again."
    if audit.late:
        yield f"Late repeats, decided again because a profile keeps the last {IDS} event ids: {audit.late:,}."


def _balance(audit: Audit) -> Iterator[str]:
    yield "Balance: events in = decisions + dead letters + repeats"
    yield f"  read from the topics      {_equation(audit.topics)}"
    yield f"  counted by the worker     {_equation(audit.worker)}"
    if audit.undecided or audit.duplicates:
        yield f"  event ids never decided {audit.undecided:,}, too many decisions {audit.duplicates:,}"
    yield "  The balance holds." if audit.holds else "  THE BALANCE DOES NOT HOLD."


def _equation(b: Balance) -> str:
    sign = "=" if b.holds else "is not"
    return f"{b.events:,} {sign} {b.decisions:,} + {b.dead_letters:,} + {b.repeats:,}"


def percent(share: float | None) -> str:
    """Return a share as text; a dash for None."""
    return "-" if share is None else f"{share:.1%}"
