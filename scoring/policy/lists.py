"""The lists that a policy declares: what each names, and what follows where it names an event."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from scoring.contract.decision import ListDirection
from scoring.contract.merchant import ListKind
from scoring.contract.types import AcquirerId, ShortText
from scoring.lists import Action, Mode
from scoring.policy.scopes import Given, GivenText

Source = Literal["file", "topic"]
"""Where the entries of a list are."""

ListId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]*\Z", min_length=1, max_length=48)]


class ListRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list and its effect. Its entries are in a file, `ID.csv`, or on the topic `lists`; each says when it ends.

    deny: the event gets at least the band of `action`. allow: the band that the model gave becomes ALLOW, unless a
    denying list names the event too or a rule of 3-D Secure of severity CRITICAL is broken; limits and rules
    still hold.
    `acquirer`: only events of this one; without it those of all. `mode`: shadow counts and tells, and changes nothing.
    """

    id: ListId
    kind: ListKind
    direction: ListDirection
    author: Given
    reason: GivenText
    action: Action | None = None
    acquirer: AcquirerId | None = None
    mode: Mode = "on"
    source: Source = "file"
    approver: ShortText = ""

    def __post_init__(self) -> None:
        if (self.direction == "deny") == (self.action is None):
            raise ValueError("action is for deny, which needs one: review, step_up or block; allow has none")
        if self.kind == "merchant" and self.acquirer is None:
            raise ValueError("merchant needs the acquirer whose id it is")
        if self.approver and self.approver == self.author:
            raise ValueError("approver must be another person than author")


def refuse_same_ids(rules: Iterable[ListRule]) -> None:
    """Refuse two lists of one id.

    Raises:
        ValueError: it names the id.
    """
    for name, count in Counter(rule.id for rule in rules).items():
        if count > 1:
            raise ValueError(f"lists has the id {name} twice: an id names one list")
