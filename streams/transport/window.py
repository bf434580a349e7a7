"""The watermark of one partition: the offset up to which all delivered batches are finished."""

from collections import deque


class Ticket:
    """State of one delivered batch until it is acknowledged.

    It does not refer to the batch: after a rebalance Faust waits until dropped messages are garbage-collected.
    """

    __slots__ = ("delivered_ns", "done", "end", "weight")

    def __init__(self, end: int, delivered_ns: int, weight: int = 0) -> None:
        self.end = end
        self.delivered_ns = delivered_ns
        self.weight = weight
        self.done = False


class AckWindow:
    """Order the tickets of one partition and move the watermark over the finished prefix, never past a gap."""

    __slots__ = ("_delivered", "_tickets", "applied", "watermark", "weight")

    def __init__(self) -> None:
        self._tickets: deque[Ticket] = deque()
        self._delivered: int | None = None
        self.applied: int | None = None  # end of the last batch that was applied, in order
        self.watermark: int | None = None  # end of the finished prefix; None until a batch is finished
        self.weight = 0  # estimated bytes in memory of the batches that the watermark has not passed

    def deliver(self, start: int, end: int, now_ns: int, weight: int = 0) -> Ticket:
        """Admit the batch [start, end) and return its ticket. It must begin where the last one ended.

        Otherwise a fetched batch would be skipped for ever: that is a bug, so crash.
        """
        assert start < end, f"empty batch [{start}, {end})"
        assert self._delivered is None or start == self._delivered, f"gap: [{self._delivered}, {start}) not delivered"
        self._delivered = end
        ticket = Ticket(end, now_ns, weight)
        self._tickets.append(ticket)
        self.weight += weight
        return ticket

    def finish(self, ticket: Ticket) -> None:
        """Mark a batch as finished and advance the watermark over finished batches. Stale tickets do nothing."""
        ticket.done = True
        tickets = self._tickets
        while tickets and tickets[0].done:
            passed = tickets.popleft()
            self.watermark = passed.end
            self.weight -= passed.weight
            if self.applied is None or self.applied < self.watermark:  # a gap: nothing to apply
                self.applied = self.watermark

    def skip(self, start: int, end: int) -> None:
        """Pass over [start, end), which holds nothing to deliver (transaction markers, aborted records)."""
        self.finish(self.deliver(start, end, 0))

    @property
    def depth(self) -> int:
        """Count the delivered batches that the watermark has not passed."""
        return len(self._tickets)

    @property
    def head_ns(self) -> int | None:
        """Return when the oldest unfinished batch was delivered (monotonic ns), or None."""
        return self._tickets[0].delivered_ns if self._tickets else None
