"""All sections of a backtest's page below the slider, in their order."""

from models.backtest.pages.arms import arm_section
from models.backtest.pages.cases import case_sections
from models.backtest.pages.effects import effect_section
from models.backtest.pages.examples import example_section
from models.backtest.pages.fairness import fairness_section
from models.backtest.pages.intervals import interval_section
from models.backtest.report import Backtest


def sections(report: Backtest) -> str:
    """Write the sections of a report, as HTML."""
    policies = report.policies
    intervals = [
        (
            one.name,
            (one.intervals, one.case_intervals),
            None if one.difference is None or one.case_difference is None else (one.difference, one.case_difference),
        )
        for one in policies
    ]
    return (
        arm_section([(one.name, one.arms, one.left_out, one.lists_from_files) for one in policies])
        + case_sections([(one.name, one.cases, one.case_months, one.hits) for one in policies])
        + example_section([(one.name, one.case_examples) for one in policies])
        + effect_section([(one.name, one.effects) for one in policies])
        + interval_section(intervals, report.resampling)
        + fairness_section([(one.name, one.fairness) for one in policies], report.fairness)
    )
