"""Faults against the guarantee: workers, brokers and produces fail, and the books must still balance to the byte.

traffic, feed       what is sent, and when
brokers/            Apache Kafka, one node or three, with a proxy that sees, holds up and breaks requests
workers, worker     processes that are killed and replaced
stage               one scenario under way
scenarios/          the scenarios; test_chaos.py runs a short form of those with one broker, `python -m tests.chaos` all
oracles/            what must have come out, against what did; for how long there was no decision
schedules/          faults drawn from a seed
"""
