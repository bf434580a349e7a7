"""Limits so small that the tests reach them."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.backtest.judged.CHUNK_ROWS", 64)
        patch.setattr("models.backtest.scored.CHUNK_ROWS", 64)
        patch.setattr("models.backtest.compare.MERCHANTS_MAX", 3)
        yield
