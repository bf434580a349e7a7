"""All model inputs in the order of the matrix: first those of the payment, then those of profiles."""

import hashlib

from scoring.features import Feature
from scoring.features.payment import PAYMENT_FEATURES
from scoring.profile import PROFILE_FEATURES

FEATURES: tuple[Feature, ...] = PAYMENT_FEATURES + PROFILE_FEATURES

FEATURES_VERSION = hashlib.sha256(
    "\n".join(f"{f.name} {f.unit} {f.categorical}" for f in FEATURES).encode()
).hexdigest()[:12]
"""Names, units and order of the inputs as one short hash: a model trained on others is refused."""
