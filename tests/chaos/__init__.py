"""Faults against the guarantee: workers, brokers and produces fail, and the books must still balance to the byte.

traffic, feed       what is sent, and when
site, proxy         Apache Kafka with a proxy before it that sees, holds up and breaks what workers ask of it
clustered, gaps     the same with three brokers, and for how long there was no decision
workers, worker     processes that are killed and replaced
oracle              what must have come out, against what did
kills, faults, freezes, inputs, shares    the scenarios; test_chaos.py runs a short form of them
outages, stuck      the scenarios of three brokers; `python -m tests.chaos` runs these too
"""
