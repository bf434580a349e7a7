"""Incidents of enumeration: an attack that tries card numbers at one merchant is one incident, not an alert for each.

An incident is about a merchant and a BIN, or about a merchant where no BIN stands out. It opens when the traffic meets
`opening`, takes every attempt of its merchant and BIN while it is open, and is over when it was quiet for long enough.
Only event time counts. Alerts are raised when it opens, when its attempts reach 100, 1,000, 10,000 and so on, when its
band rises, and when it is over.

Each partition of the input keeps the part of an incident that it saw (`part`). Parts are rows of `shared-profiles`
(kind 251), so that they survive restarts and every worker can add up the parts of all. The partition that opened the
incident raises its alerts (`registry`, ADR 0025).
"""
