"""Fencing: the broker accepts writes of one owner of a partition at a time (ADR 0014)."""

from streams.kafka.fence.identity import IdentifiedBatch, ProducerIdentity, name_transactions
from streams.kafka.fence.takeover import Fence, FenceError

__all__ = ["Fence", "FenceError", "IdentifiedBatch", "ProducerIdentity", "name_transactions"]
