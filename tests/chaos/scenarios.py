"""All scenarios, in the order in which they run."""

from tests.chaos.faults import broker_restarts, produce_fails, produce_hangs
from tests.chaos.freezes import frozen_broker, produces_swallowed
from tests.chaos.inputs import poison_above_limit, poison_below_limit, transactional_upstream
from tests.chaos.kills import kills_one_partition, kills_several_partitions, sigterm
from tests.chaos.late import late_group_answers, late_outputs, late_rows
from tests.chaos.outages import three_brokers
from tests.chaos.schedules.campaign import schedules
from tests.chaos.shares import broker_restarts_two_workers, frozen_worker, three_workers
from tests.chaos.stuck import stuck_follower

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
"""Those that take place on three brokers."""
