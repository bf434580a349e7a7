"""The bars of the promotion gate. The defaults are `deploy/config/promotion.yaml`, where each is explained."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=10**9)]
Difference = Annotated[float, Meta(ge=-1.0, le=1.0)]


class Bars(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a candidate must reach. Differences are candidate minus current; intervals are of 95%.

    `payments_min`, `frauds_min`: counted payments and frauds. `pr_auc_low_min`: lower end of the interval of the
    difference in PR-AUC. `alert_rate_bps`: alerts for 10,000 payments at which yen are compared;
    `value_recall_low_min`: lower end of the interval of the difference in the share of fraud yen in alerts.
    `calibration_error_max`: see `figures.calibration_error`. `load_ratio_max`: alerts under the policy, candidate by
    current or the reverse, the larger one. `psi_max`: of the scores from `psi_from_score` on, on the same payments.
    `latency_ratio_max`: median time of a row, candidate by current; a current one that takes less than
    `latency_us_min` microseconds counts as that. `fairness_limit`, `fairness_genuine_min`: as in a
    backtest; `new_alarms_max`: alarms of fairness that the current model does not have. `resamples`, `seed`: of the
    intervals.
    """

    payments_min: Count = 10_000
    frauds_min: Count = 100
    pr_auc_low_min: Difference = -0.01
    alert_rate_bps: Annotated[float, Meta(gt=0.0, le=10_000.0)] = 50.0
    value_recall_low_min: Difference = -0.03
    calibration_error_max: Annotated[float, Meta(gt=0.0, le=100.0)] = 0.5
    load_ratio_max: Annotated[float, Meta(ge=1.0, le=1_000_000.0)] = 1.25
    psi_from_score: Annotated[int, Meta(ge=0, le=950)] = 500
    psi_max: Annotated[float, Meta(gt=0.0, le=100.0)] = 0.25
    latency_ratio_max: Annotated[float, Meta(gt=0.0, le=1_000.0)] = 2.0
    latency_us_min: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 2.5
    fairness_limit: Annotated[float, Meta(gt=1.0, le=1_000.0)] = 1.25
    fairness_genuine_min: Count = 1_000
    new_alarms_max: Annotated[int, Meta(ge=0, le=1_000)] = 0
    resamples: Annotated[int, Meta(ge=20, le=10_000)] = 200
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 1
