"""All scenarios, in the order in which they run."""

from tests.chaos.kills import kills_one_partition, kills_several_partitions, sigterm

SCENARIOS = (kills_one_partition, kills_several_partitions, sigterm)
