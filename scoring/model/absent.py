"""Why there is no model: what an engine decides with in place of a bundle."""

from enum import Enum
from typing import Final


class NoModel(Enum):
    """MISSING: none of the bundle's files is there. REFUSED: its files are there, and are no bundle of this release."""

    MISSING = "MISSING"
    REFUSED = "REFUSED"


NO_VERSION: Final = "none"
"""What decisions name as the model's version where there is no model."""
