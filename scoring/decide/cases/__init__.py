"""Open cases of alerts: which decisions raise one, and how many a case has.

Each partition of the input keeps its part of a case. Parts are rows of `shared-profiles` (kind 242): they survive
restarts, move with their partition, and every worker adds up the parts of all (ADR 0049).
"""
