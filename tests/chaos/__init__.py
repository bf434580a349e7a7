"""Faults against the guarantee: workers, brokers and produces fail, and the outputs must still be exact to the byte.

traffic, feed       the events that are sent, and when
brokers/            Apache Kafka, one node or three, with a proxy that sees, delays and breaks requests
workers, worker     processes that are killed and replaced
stage               one running scenario
scenarios/          the scenarios; test_chaos.py runs a short form of those with one broker, `python -m tests.chaos` all
oracles/            the expected outputs compared with the real ones; times without a decision
schedules/          faults drawn from a seed
"""
