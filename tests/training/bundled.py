"""A bundle without its report."""

from models.training.matrix import Samples
from models.training.train import Plan, train


def train_bundle(samples: Samples, plan: Plan) -> tuple[dict[str, bytes], dict[str, float]]:
    """Return the files of a bundle and its metrics on the test part."""
    trained = train(samples, plan)
    return trained.files, trained.metrics
