"""Faults against the guarantee: workers, brokers and produces fail, and the books must still balance to the byte.

traffic, feed       what is sent, and when
site, proxy         Apache Kafka with a proxy before it that sees, holds up and breaks what workers ask of it
workers, worker     processes that are killed and replaced
oracle              what must have come out, against what did
kills, faults, inputs, shares    the scenarios; `python -m tests.chaos` runs them all, test_chaos.py a short form
"""
