"""One owner at a time for the logs of a partition, held by the broker (ADR 0014)."""

from streams.kafka.fence.identity import IdentifiedBatch, ProducerIdentity, name_transactions
from streams.kafka.fence.takeover import Fence, FenceError

__all__ = ["Fence", "FenceError", "IdentifiedBatch", "ProducerIdentity", "name_transactions"]
