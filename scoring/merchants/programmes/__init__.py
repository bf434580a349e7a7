"""Monitoring programmes of the schemes: Visa's VAMP, Mastercard's ECM, HECM and EFM, and its tests for scam merchants.

Every figure is this acquirer's own count of what it received; the schemes judge by theirs. Tiers are dated tables.
"""
