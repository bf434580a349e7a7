"""Metrics of the merchant store and of what is judged of merchants. Part of the catalogue."""

from typing import get_args

from scoring.contract.merchant import FraudStatus
from scoring.merchants.overdue import WHATS
from streams.telemetry.metric import Metric

STANDINGS = get_args(FraudStatus)
MERCHANT_ROWS = ("MONTH", "CLAIM", "STANDING", "OVERDUE")

MERCHANTS: tuple[Metric, ...] = (
    Metric(
        name="sekisho_merchants",
        kind="gauge",
        unit="merchants",
        stage="enrich",
        help="Merchants in the merchant store of this worker.",
    ),
    Metric(
        name="sekisho_merchants_refused_total",
        kind="counter",
        unit="records",
        stage="enrich",
        help="Records of new merchants beyond merchants.merchants_max: these merchants stay unknown.",
    ),
    Metric(
        name="sekisho_merchants_by_standing",
        kind="gauge",
        unit="merchants",
        stage="profile",
        help="Merchants that this worker judges by reported fraud, by standing. None without durable profiles.",
        labels={"standing": STANDINGS},
    ),
    Metric(
        name="sekisho_merchants_overdue",
        kind="gauge",
        unit="merchants",
        stage="profile",
        help="Merchants that this worker judges by what is overdue in their records. None without durable profiles.",
        labels={"what": WHATS},
    ),
    Metric(
        name="sekisho_merchant_rows_evicted_total",
        kind="counter",
        unit="rows",
        stage="profile",
        help="Rows evicted from full tables: months of merchants, reported events (claims), standings, and what was "
        "told of records (overdue).",
        labels={"rows": MERCHANT_ROWS},
    ),
)
