"""Add the cause to the error that ended a worker or a command: the unreachable address, or the missing right.

aiokafka raises `Unable to bootstrap` for every failed connection, and names no resource when a right is missing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.errors import (
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    RequestTimedOutError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from streams.kafka.errors import BrokersError, UnreachableError
from streams.kafka.failures import failures, let_close
from streams.kafka.rights.granted import lacking, missing_of, require
from streams.kafka.rights.table import Right
from streams.kafka.settings import Broker
from streams.kafka.wording import describe

ASK_S: Final = 5.0
"""Time limit of asking the brokers which right is missing."""

REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


async def explained(error: BaseException, broker: Broker, rights: Sequence[Right]) -> BaseException:
    """Return an error that names the cause, or the same error if the cause is not known."""
    causes = list(_chain(error))
    if any(isinstance(cause, REFUSALS) for cause in causes):
        try:
            async with asyncio.timeout(ASK_S):
                missing = await missing_of(broker, rights)
        except (KafkaError, BrokersError, TimeoutError):
            missing = []
        if missing:
            return lacking(missing, broker).with_traceback(error.__traceback__)
    return reached(error)


def reached(error: BaseException) -> BaseException:
    """Return an error that names the unreachable brokers if they caused it, else the same error."""
    found = failures()
    if not found or not any(_is_of_connection(cause) for cause in _chain(error)):
        return error
    text = describe(found)
    if not isinstance(error, KafkaConnectionError | TimeoutError):
        text = f"{str(error).removeprefix(f'{type(error).__name__}: ')}: {text}"
    return UnreachableError(text).with_traceback(error.__traceback__)


@asynccontextmanager
async def authorized(broker: Broker, rights: Sequence[Right]) -> AsyncIterator[None]:
    """Check rights before the context begins. Errors in the context are raised with their cause.

    Raises:
        BrokersError: rights are missing, no broker can be reached, credentials cannot be used, or a broker refused a
            request.
    """
    try:
        await require(broker, rights)
        yield
    except Exception as raised:
        error = _first_of(raised)
        told = await explained(error, broker, rights)
        if told is not error:
            raise told from error
        if isinstance(error, KafkaError):
            raise BrokersError(f"{', '.join(broker.bootstrap)}: {error}") from error
        raise
    finally:
        await let_close()


def _first_of(error: Exception) -> Exception:
    """Return the first error of an exception group."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_of_connection(error: BaseException) -> bool:
    if isinstance(error, BrokerResponseError):
        return isinstance(error, RequestTimedOutError)
    return isinstance(error, KafkaError | TimeoutError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
