"""Seeded mutations: change the code in one place, run its tests, and list each change that no test notices.

`python -m tests.mutation PATH...` takes files and folders of `TESTS`; the list of survivors goes to standard output.
"""
