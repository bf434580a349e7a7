"""Figures measured beside those of peers in one run: `make bench` prints them and writes bench.json."""
