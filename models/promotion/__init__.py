"""The promotion gate: may a candidate bundle take the place of the current one?"""
