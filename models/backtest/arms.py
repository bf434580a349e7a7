"""What a backtest decides of experiments and lists: figures of each arm, and what is left out."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from models.backtest.figures import Figures, figures
from models.backtest.judged import Judged
from models.backtest.scored import Scored
from scoring.policy.experiment import Arm


class OfArm(Struct, frozen=True, kw_only=True):
    """Counted payments that an arm of a policy's experiment decides. `policy`: the identity of who decides there."""

    experiment: str
    arm: str
    policy: str
    figures: Figures


class LeftOut(Struct, frozen=True, kw_only=True):
    """What a policy has, and what decides no payment of the backtest. `kind`: LIST or EXPERIMENT.

    `why`: NO_FILE: the entries of the list come from the topic, and no file has them. NOT_IN_FORCE: no counted payment
    is in the time of the experiment.
    """

    kind: str
    id: str
    why: str


def arms(rows: Scored, judged: Judged, minutes: float) -> Iterator[OfArm]:
    """Give the figures of the arms that decide a counted payment. `minutes`: work for one alert."""
    experiment, candidate = judged.policy.experiment, judged.policy.candidate
    if experiment is None or candidate is None:
        return
    for arm, policy in ((Arm.A, judged.policy), (Arm.B, candidate)):
        own = rows.is_counted & (judged.arms == arm)
        if own.any():
            found = figures(rows, judged.alerts, own, minutes)
            yield OfArm(experiment=experiment.id, arm=arm.name, policy=policy.identity, figures=found)


def left_out(rows: Scored, judged: Judged, lists: Sequence[str]) -> Iterator[LeftOut]:
    """Give what is left out. `lists`: ids of the lists of the topic without a file."""
    for name in lists:
        yield LeftOut(kind="LIST", id=name, why="NO_FILE")
    experiment = judged.policy.experiment
    if experiment is not None and not judged.arms[rows.is_counted].any():
        yield LeftOut(kind="EXPERIMENT", id=experiment.id, why="NOT_IN_FORCE")
