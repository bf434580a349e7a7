"""The short form of `make chaos`: every scenario with few events and faults, on one broker behind a proxy."""

from collections.abc import Callable, Iterator

import pytest

from tests.brokers.kafka import missing_tools
from tests.chaos.brokers.site import Site, site
from tests.chaos.scenarios.order import SCENARIOS
from tests.chaos.stage import SHORT, Result, Scale
from tests.integration.conftest import refuse

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """A broker of our own: it will be killed."""
    reason = missing_tools()
    if reason is not None:
        refuse("kafka", reason)
    with site() as found:
        yield found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_guarantee_holds(place: Site, scenario: Callable[[Site, Scale], Result]) -> None:
    result = scenario(place, SHORT)
    if result.finding.failures:
        pytest.fail("\n".join([*result.finding.failures, str(result.finding.numbers)]), pytrace=False)
