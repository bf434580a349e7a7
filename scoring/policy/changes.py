"""What differs between two documents or policies, field by field, and what a deletion leaves behind."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from scoring.policy.experiment import Candidate
from scoring.policy.policy import Policy
from scoring.policy.scopes import Entry, Scope

SECTIONS: Final = ("acquirers", "goods", "mccs", "merchants", "limits", "overrides", "suppressions", "rules")
"""Sections of a policy with a list of entries."""


STANDING: Final = ("acquirers", "goods", "mccs", "merchants")
"""Sections with the thresholds of scopes."""

TARGETED: Final = ("limits", "overrides", "suppressions", "rules")
"""Sections with other entries about scopes."""

NAMED_MAX: Final = 10
"""Most entries that a line names."""


class Change(NamedTuple):
    """One field: its path, and its values as JSON; "" where it is absent."""

    path: str
    old: str
    new: str


def changes_of(old: object, new: object) -> list[Change]:
    """List the fields that differ between two plain documents, by path. A list is one value."""
    before, after = dict(_leaves(old, "")), dict(_leaves(new, ""))
    return [
        Change(path, before.get(path, ""), after.get(path, ""))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def policy_changes(old: Policy, new: Policy) -> list[Change]:
    """List the fields that differ between two policies. An entry is named by its scope and its start, not its place."""
    return changes_of(_named(old), _named(new))


def _named(policy: Policy) -> dict[str, object]:
    document: dict[str, object] = msgspec.to_builtins(policy)
    document |= _entries(policy)
    document["lists"] = {rule.id: msgspec.to_builtins(rule) for rule in policy.lists}
    experiment = policy.experiment
    if experiment is not None:
        candidate = msgspec.to_builtins(experiment.candidate) | _entries(experiment.candidate)
        document["experiment"] = msgspec.to_builtins(experiment) | {"candidate": candidate}
    return document


def _entries(of: Policy | Candidate) -> dict[str, object]:
    """Return the entries of each section by their names; of a candidate those of the sections that it replaces."""
    sections: dict[str, object] = {}
    for section in SECTIONS:
        seen: Counter[str] = Counter()
        entries: dict[str, object] = {}
        for entry in getattr(of, section) or ():
            name = entry.label
            if entry.effective_from is not None:
                name += f" from {entry.effective_from.isoformat()}"
            seen[name] += 1
            entries[f"{name} #{seen[name]}" if seen[name] > 1 else name] = msgspec.to_builtins(entry)
        if getattr(of, section) is not None:
            sections[section] = entries
    return sections


def _leaves(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            is_name = not str(key).replace("_", "").isalnum()
            step = f"[{key}]" if is_name else f".{key}" if path else str(key)
            yield from _leaves(inner, path + step)
    elif not isinstance(value, Mapping):
        yield path, msgspec.json.encode(value).decode()


def shown(changes: Sequence[Change]) -> list[str]:
    """Return a line for each change."""
    return [f"{change.path}: {change.old or 'absent'} -> {change.new or 'absent'}" for change in changes]


def orphans(old: Policy, new: Policy) -> list[str]:
    """Return a line for each scope whose thresholds are in `old` only while other entries of `new` are about it.

    About an acquirer is each entry that names it; about a narrower scope each entry of exactly that scope. Of lists,
    those of the acquirer.
    """
    lines = []
    for section in STANDING:
        kept = {entry.scope for entry in getattr(new, section)}
        for scope in dict.fromkeys(entry.scope for entry in getattr(old, section)):
            if scope not in kept and (left := list(_about(new, section, scope))):
                more = f" and {len(left) - NAMED_MAX} more" if len(left) > NAMED_MAX else ""
                lines.append(
                    f"{section} {scope.name} is deleted, and {len(left)} entries about it stay, with the thresholds of "
                    f"a wider scope: {', '.join(left[:NAMED_MAX])}{more}"
                )
    return lines


def _about(policy: Policy, section: str, scope: Scope) -> Iterator[str]:
    is_acquirer = section == "acquirers"
    for name in (*STANDING, *TARGETED) if is_acquirer else TARGETED:
        entries: list[Entry] = getattr(policy, name)
        for entry in entries:
            if entry.scope == scope or (is_acquirer and entry.scope.acquirer == scope.acquirer):
                yield f"{name} {entry.label}"
    if is_acquirer:
        yield from (f"lists {rule.id}" for rule in policy.lists if rule.acquirer == scope.acquirer)
