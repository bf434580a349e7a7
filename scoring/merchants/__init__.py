"""Merchants: the store of their newest records, and groups of merchant categories by the goods they sell."""
