"""Merchants: the store of their newest records, and the goods that merchant categories sell."""
