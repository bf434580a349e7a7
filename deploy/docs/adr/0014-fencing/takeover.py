"""The takeover of a partition as a model: its state, every step that can happen, and the promises.

To learn the protocol, read `Protocol`, then the functions from `moves` on. ADR 0014 gives the reasons.

    python -m deploy.docs.adr.0014-fencing.search

tries every order of the steps. It prints that the protocol keeps its promises in all reachable states. For each part of
the protocol it prints the shortest path to a broken promise without that part.

Modelled: one input partition with four events, of two cards in turn, and the owners of the partition. Each time the
group assigns the partition to a worker, that is a new owner, with the next epoch. Two workers, one of them restarted,
are three owners. They write and read two logs:

* `outputs` stands for `decisions`, `alerts` and `dead-letters`. Other partitions have records in the last two as well.
* `profiles` stands for `card-profiles` and `shared-profiles`: one marker ends a flush of both.

Faults: everything can happen late, without a limit of time.

* A record is sent in one step and arrives in another, later or never. Records of one owner arrive in one log in order,
  because of the producer's sequence numbers. A record has arrived when the high watermark has passed it. A record that
  a follower lacks cannot be read, like one that is still on the network.
* An owner can stop after any step, for a time or forever. So a crash and a frozen process need no steps of their own:
  the owner takes no more steps, and the records that it has sent may still arrive.
* A new owner can begin at any time. The earlier owner is not informed and continues. All can run side by side.

Promises (`broken`): no event has two decisions. Every event that the newest owner has passed has a decision. At any
time a restore would find exactly the state of the input up to the marker.

Assumptions: Kafka's replication and its transaction coordinator work. They keep the transactional id and its epoch,
because the owner renews its fence. Compaction keeps the newest records (`min.compaction.lag.ms`). Readers need only the
last row of each card, so the model keeps only that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

OWNERS: Final = 3
CARDS: Final = "abab"  # the card of each event; an event is named by its offset
EVENTS: Final = len(CARDS)
OF_CARD: Final = {card: sum(1 << event for event in range(EVENTS) if CARDS[event] == card) for card in CARDS}
"""Sets of events are ints: bit 0 is event 0."""

OUTPUTS, PROFILES = 0, 1
LOGS: Final = ("outputs", "profiles")

TWICE: Final = "an event has two decisions"
LOST: Final = "an event is passed and has no decision"
STATE: Final = "a restore finds another state than that of the input up to the marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The protocol. Each value other than the default leaves out one part."""

    one_producer_id: bool = True  # all owners have the same, each with a higher epoch: a log refuses older epochs
    fenced: tuple[int, ...] = (OUTPUTS, PROFILES)  # the logs that get a control record with the new epoch
    fence_is_awaited: bool = True  # until the control record is in all logs; EndTxn is acknowledged before that
    takeover: tuple[str, ...] = ("fence", "restore", "scan")  # in this order
    crashed_rows_are_rewritten: bool = True  # those behind the last marker, by the first flush
    since_is_kept: bool = True  # in markers, until the input has passed all events that the scan found
    marker_awaits_outputs: bool = True  # until all outputs of the marker's input are acknowledged
    commit_awaits_marker: bool = True  # until the marker is acknowledged
    # two assumptions, not parts of the protocol: the other values are easier for it
    lease_is_perfect: bool = False  # an owner takes no step once the next one has begun
    writes_for_others: bool = True  # the worker writes alerts and dead letters of other partitions that it owns


# -- state


class Row(NamedTuple):
    """A card's row: the events of the card that it includes. They are repeats from then on."""

    card: str
    seen: int


class Marker(NamedTuple):
    """The end of a flush: the rows include the input before `input`; outputs of later input are at `since` or behind
    it.
    """

    input: int
    since: int


class Profiles(NamedTuple):
    """The log `profiles` as a reader sees it."""

    counted: int = 0  # events in the rows before the last marker
    marker: Marker | None = None
    behind: tuple[Row, ...] = ()  # the last row of each card behind the marker: these do not count

    def append(self, record: Row | Marker) -> "Profiles":
        """Return the log with one record more."""
        if isinstance(record, Row):
            return self._replace(behind=(*(row for row in self.behind if row.card != record.card), record))
        counted = self.counted
        for row in self.behind:
            counted = counted & ~OF_CARD[row.card] | row.seen
        return Profiles(counted, record)


class Flush(NamedTuple):
    """A flush in progress, and the marker that will end it."""

    marker: Marker
    marker_is_sent: bool = False


class Owner(NamedTuple):
    """What one owner knows and has sent. Once a log refuses the owner, its field of records in flight is None."""

    number: int  # also the epoch
    takeover: tuple[str, ...] = ()  # steps not yet taken
    fences: tuple[int, ...] = ()  # logs without its control record
    input: int = 0  # the next event
    seen: int = 0  # events in its state
    published: int = 0  # events that the scan found and that the input has not passed
    since: int = 0  # as in the last marker
    end: int = 0  # end of outputs at the scan, or at its last acknowledgement
    dirty: str = ""  # cards with changed rows
    is_ready: bool = False  # for events: rows of a crash are handled, and there is a marker
    flush: Flush | None = None
    durable: int = 0  # the input that the last acknowledged marker names
    decisions: tuple[int, ...] | None = ()  # in flight to `outputs`, oldest first
    rows: tuple[Row | Marker, ...] | None = ()  # in flight to `profiles`, oldest first


class State(NamedTuple):
    """The logs, the group's committed offset, and all owners, the newest at the end."""

    outputs: tuple[int, ...] = ()  # the events that were decided
    profiles: Profiles = Profiles()
    committed: int = 0
    owners: tuple[Owner, ...] = ()

    def having(self, owner: Owner) -> "State":
        """Return the state after a step of an owner."""
        at = owner.number - 1
        return self._replace(owners=(*self.owners[:at], owner, *self.owners[at + 1 :]))


# -- steps

Moves = Iterator[tuple[str, State]]


def moves(protocol: Protocol, state: State) -> Moves:
    """Yield every possible next step: its description, and the state after it."""
    yield from begin(protocol, state)
    for owner in state.owners:
        yield from fence(protocol, state, owner)
        yield from decision_arrives(protocol, state, owner)
        yield from row_arrives(protocol, state, owner)
        if protocol.lease_is_perfect and owner.number < len(state.owners):
            continue
        if owner.takeover:
            yield from restore_and_scan(protocol, state, owner)
            continue
        yield from commit(protocol, state, owner)
        if owner.decisions is not None or owner.rows is not None:
            yield from apply_event(state, owner)
            yield from flush(protocol, state, owner)
            if protocol.writes_for_others:
                yield from write_for_others(state, owner)


def begin(protocol: Protocol, state: State) -> Moves:
    """Give the partition to a new owner. InitProducerId gives it the next epoch.

    While an owner has not taken a step of its takeover, no other begins: that would be the same as beginning later.
    InitProducerId is published only when no transaction of the same id is in progress.
    """
    steps = tuple(step for step in protocol.takeover if step != "fence" or protocol.fenced)
    if len(state.owners) < OWNERS and not (state.owners and state.owners[-1].takeover == steps):
        owner = Owner(len(state.owners) + 1, steps, protocol.fenced)
        yield f"owner {owner.number} begins and has epoch {owner.number}", state._replace(owners=(*state.owners, owner))


def fence(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Takeover, 1: an empty transaction writes a control record into each log. The broker does it, in any order."""
    if "fence" in owner.takeover[1:]:
        return
    for log in owner.fences:
        if (owner.decisions, owner.rows)[log] is not None:  # else the log refuses the control record too
            left = tuple(other for other in owner.fences if other != log)
            after = owner._replace(fences=left)
            if not left and protocol.fence_is_awaited:
                after = after._replace(takeover=owner.takeover[1:])
            text = f"the control record of owner {owner.number} is in {LOGS[log]}"
            yield text, refuse_older(protocol, state.having(after), owner, log)


def restore_and_scan(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Takeover, 2 and 3: read the rows up to the last marker; scan the outputs since then for published events."""
    step, after = owner.takeover[0], owner._replace(takeover=owner.takeover[1:])
    if step == "fence" and not protocol.fence_is_awaited:
        yield f"owner {owner.number} does not wait for its control records", state.having(after)
    elif step == "restore":
        marker, crashed = state.profiles.marker, "".join(sorted(row.card for row in state.profiles.behind))
        known, since = marker or Marker(0, 0)
        after = after._replace(
            # a commit beyond the marker: the model accepts it; the code refuses to start
            input=max(known, state.committed),
            seen=state.profiles.counted,
            since=since,
            dirty=crashed if protocol.crashed_rows_are_rewritten else "",
            is_ready=marker is not None and not crashed,
            durable=known,
        )
        knows = f"a state that includes {named(after.seen)}, with input from {after.input} on"
        yield f"owner {owner.number} restores {knows}", state.having(after)
    elif step == "scan":
        published = sum(1 << event for event in {*state.outputs[owner.since :]} if event >= owner.input)
        text = f"owner {owner.number} scans the outputs: {named(published)} already published"
        yield text, state.having(after._replace(published=published, end=len(state.outputs)))


def apply_event(state: State, owner: Owner) -> Moves:
    """Apply the next event. A repeat changes nothing; a published event changes only the state; others are decided."""
    if not owner.is_ready or owner.input == EVENTS:
        return
    event, bit, who = owner.input, 1 << owner.input, f"owner {owner.number}"
    after = owner._replace(input=event + 1, published=owner.published & ~bit)
    if owner.seen & bit:
        yield f"{who} skips event {event} as a repeat", state.having(after)
        return
    after = after._replace(seen=owner.seen | bit, dirty="".join(sorted({*owner.dirty, CARDS[event]})))
    if owner.published & bit:
        yield f"{who} applies event {event}, which is already published", state.having(after)
    else:
        if owner.decisions is not None:
            after = after._replace(decisions=(*owner.decisions, event))
        yield f"{who} decides event {event} and sends the decision", state.having(after)


def write_for_others(state: State, owner: Owner) -> Moves:
    """Write an alert or a dead letter of another partition: the worker learns the present end of the log.

    Such records have no effect on this partition, so they have no offsets here.
    """
    if owner.is_ready and owner.end != len(state.outputs):
        text = f"the worker of owner {owner.number} writes to outputs for another partition"
        yield text, state.having(owner._replace(end=len(state.outputs)))


def flush(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Send the rows that changed. Events continue; the marker follows (`send_marker`).

    A flush without new input moves the marker's `since`. Otherwise the scans of an idle partition would grow.
    """
    latest = owner.since if owner.published and protocol.since_is_kept else owner.end
    is_due = not owner.is_ready or owner.input != owner.durable or latest != owner.since
    if owner.flush is not None or not is_due:
        return
    for since in {owner.since, latest}:  # the earlier one if acknowledgements are late
        after = owner._replace(flush=Flush(Marker(owner.input, since)), dirty="")
        if owner.rows is not None:
            after = after._replace(rows=(*owner.rows, *(Row(card, owner.seen & OF_CARD[card]) for card in owner.dirty)))
        text = f"owner {owner.number} begins a flush of the input before {owner.input}, with outputs since {since}"
        yield text, state.having(send_marker(protocol, after))


def send_marker(protocol: Protocol, owner: Owner) -> Owner:
    """Send the marker of a flush once its rows and outputs are acknowledged. A log that refuses them never
    acknowledges.
    """
    if owner.flush is None or owner.flush.marker_is_sent or owner.rows != ():
        return owner
    marker, decisions = owner.flush.marker, owner.decisions
    are_out = decisions is not None and all(event >= marker.input for event in decisions)
    if protocol.marker_awaits_outputs and not are_out:
        return owner
    return owner._replace(flush=Flush(marker, marker_is_sent=True), rows=(marker,))


def commit(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Commit the input of the last acknowledged marker. A commit that rewinds is left out: markers take precedence."""
    offset = owner.durable if protocol.commit_awaits_marker else owner.input
    if offset > state.committed:
        yield f"owner {owner.number} commits offset {offset}", state._replace(committed=offset)


def decision_arrives(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Append the oldest decision in flight, and acknowledge it."""
    if owner.decisions:
        event, *left = owner.decisions
        after = send_marker(protocol, owner._replace(decisions=tuple(left), end=len(state.outputs)))
        arrived = state.having(after)._replace(outputs=(*state.outputs, event))
        text = f"the decision of owner {owner.number} on event {event} arrives"
        yield text, refuse_older(protocol, arrived, owner, OUTPUTS)


def row_arrives(protocol: Protocol, state: State, owner: Owner) -> Moves:
    """Append the oldest row or marker in flight, and acknowledge it."""
    if owner.rows:
        record, *left = owner.rows
        after = owner._replace(rows=tuple(left))
        if isinstance(record, Marker):
            text = f"the marker of owner {owner.number} arrives: its rows include the input before {record.input}"
            after = after._replace(flush=None, is_ready=True, durable=record.input, since=record.since)
        else:
            text = f"a row of owner {owner.number} arrives: card {record.card} includes {named(record.seen)}"
            after = send_marker(protocol, after)
        arrived = state.having(after)._replace(profiles=state.profiles.append(record))
        yield text, refuse_older(protocol, arrived, owner, PROFILES)


def refuse_older(protocol: Protocol, state: State, owner: Owner, log: int) -> State:
    """Refuse all records of older owners, sent or not yet sent, in a log that has a record with a newer epoch."""
    if not protocol.one_producer_id:
        return state
    owners = list(state.owners)
    for at, other in enumerate(owners[: owner.number - 1]):
        after = other._replace(decisions=None) if log == OUTPUTS else other._replace(rows=None)
        if after.decisions is None and after.rows is None:  # of such an owner only a commit can still have an effect
            durable = after.durable if after.durable > state.committed else 0
            after = Owner(after.number, durable=durable, decisions=None, rows=None)
        owners[at] = after
    return state._replace(owners=tuple(owners))


def named(events: int) -> str:
    """Name the events of a set."""
    return " and ".join(f"event {event}" for event in range(EVENTS) if events >> event & 1) or "no event"


# -- promises


def broken(state: State, promise: str) -> bool:
    """Tell whether a state breaks a promise."""
    if promise == TWICE:
        return len({*state.outputs}) < len(state.outputs)
    if promise == STATE:
        marker = state.profiles.marker
        return marker is not None and state.profiles.counted != (1 << marker.input) - 1
    if not state.owners or state.owners[-1].takeover:
        return False
    newest = state.owners[-1]  # an earlier owner may have sent a decision that never arrives
    return not {*range(newest.input)} <= {*state.outputs, *(newest.decisions or ())}
