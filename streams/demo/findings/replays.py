"""Results of 3-D Secure that were used before, as the demonstration tells of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from streams.demo.findings.incidents import Language
from streams.demo.truth import Assessment

_RULES = {
    "TDS08": ("with another card", "別のカード"),
    "TDS09": ("at another merchant", "別の加盟店"),
    "TDS10": ("for another order", "別の注文"),
}


def broken_by(rules: Iterable[str]) -> tuple[str, ...]:
    """Return which of the rules on replayed results are among `rules`."""
    return tuple(rule for rule in rules if rule in _RULES)


def in_words(rules: Sequence[str], language: Language) -> str:
    """Say for what a result was used again."""
    if language == "ja":
        return f"3Dセキュアの認証結果を{'・'.join(_RULES[rule][1] for rule in rules)}で再利用"
    return f"3-D Secure result used again {', '.join(_RULES[rule][0] for rule in rules)}"


def told(replays: Mapping[str, Sequence[str]], assessment: Assessment) -> list[str]:
    """Describe in the summary the payments with a replayed result, by event id, and the episodes that they are of."""
    if not replays:
        return ["Results of 3-D Secure used again: none"]
    counts = Counter(rule for rules in replays.values() for rule in rules)
    which = ", ".join(f"{_RULES[rule][0]} {count:,} ({rule})" for rule, count in sorted(counts.items()))
    lines = [f"Results of 3-D Secure used again: {len(replays):,} payments: {which}"]
    for name, episode in assessment.episodes.items():
        if episode.replays:
            lines.append(f"  in {name}: {episode.replays:,} of {episode.catch.events:,} payments")
    return lines
