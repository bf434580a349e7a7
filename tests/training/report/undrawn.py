"""Pages of trainings without pictures, for tests that look at something else."""

import pytest

from models.training.report import plots
from tests.examples import is_quick

DRAWINGS = ("precision_recall", "detections", "reliability", "histogram", "recalls", "shares")


def leave_pictures_out(patch: pytest.MonkeyPatch) -> None:
    """Make no image of a figure: each takes a tenth of a second. In the inner loop no figure is made either."""
    for name in DRAWINGS if is_quick() else ("_picture",):
        patch.setattr(plots, name, lambda *_: "data:,")
