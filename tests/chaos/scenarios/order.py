"""All scenarios, in the order in which they run."""

from tests.chaos.scenarios.faults import broker_restarts, produce_fails, produce_hangs
from tests.chaos.scenarios.freezes import frozen_broker, produces_swallowed
from tests.chaos.scenarios.inputs import poison_above_limit, poison_below_limit, transactional_upstream
from tests.chaos.scenarios.kills import kills_one_partition, kills_several_partitions, sigterm
from tests.chaos.scenarios.late import late_group_answers, late_outputs, late_rows
from tests.chaos.scenarios.outages import three_brokers
from tests.chaos.scenarios.shares import broker_restarts_two_workers, frozen_worker, three_workers
from tests.chaos.scenarios.stuck import stuck_follower
from tests.chaos.schedules.campaign import schedules

SCENARIOS = (
    kills_one_partition,
    kills_several_partitions,
    sigterm,
    produce_fails,
    produce_hangs,
    broker_restarts,
    three_workers,
    frozen_worker,
    late_outputs,
    late_rows,
    late_group_answers,
    broker_restarts_two_workers,
    frozen_broker,
    produces_swallowed,
    transactional_upstream,
    poison_below_limit,
    poison_above_limit,
    schedules,
)

CLUSTERED = (three_brokers, stuck_follower)
"""Those with three brokers."""
