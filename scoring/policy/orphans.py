"""What stays in a policy about a scope whose thresholds are deleted."""

from collections.abc import Iterator
from typing import Final

from scoring.policy.policy import Policy
from scoring.policy.scopes import Entry, Scope

STANDING: Final = ("acquirers", "goods", "mccs", "merchants")
"""Sections with the thresholds of scopes."""

TARGETED: Final = ("limits", "overrides", "suppressions", "rules")
"""Sections with other entries about scopes."""

NAMED_MAX: Final = 10
"""Most entries that a line names."""


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
