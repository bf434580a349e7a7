"""EMV 3-D Secure of one authorization: its verdict, and where it contradicts itself."""

from scoring.threeds.verdict import CODE, ECI, EXPECTED, LIABILITY, STATUS, VERDICT_COLUMNS, normalise

__all__ = ["CODE", "ECI", "EXPECTED", "LIABILITY", "STATUS", "VERDICT_COLUMNS", "normalise"]
