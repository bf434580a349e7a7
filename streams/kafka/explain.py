"""The error that ended a worker or a command, with its cause: what cannot be reached and why, or the missing right.

aiokafka raises `Unable to bootstrap` for whatever went wrong with a connection, and a refusal without the name of what
was refused.
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
"""For the brokers to say which right is missing, when the end is certain."""

REFUSALS: Final = (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


async def explained(error: BaseException, broker: Broker, rights: Sequence[Right]) -> BaseException:
    """Return the error to tell of in the place of another: one that names the cause, or the same."""
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
    """Return an error that says which brokers cannot be reached, if one came of that, or the same."""
    found = failures()
    if not found or not any(_is_of_connection(cause) for cause in _chain(error)):
        return error
    text = describe(found)
    if not isinstance(error, KafkaConnectionError | TimeoutError):
        text = f"{str(error).removeprefix(f'{type(error).__name__}: ')}: {text}"
    return UnreachableError(text).with_traceback(error.__traceback__)


@asynccontextmanager
async def authorized(broker: Broker, rights: Sequence[Right]) -> AsyncIterator[None]:
    """Do something with brokers that needs some rights: they are asked for first, and an error names its cause.

    Raises:
        BrokersError: rights are missing, no broker can be reached, there is nothing to connect with, or a broker
            refused something.
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
    """Take the first error out of a task group's bundle."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _is_of_connection(error: BaseException) -> bool:
    if isinstance(error, BrokerResponseError):
        return isinstance(error, RequestTimedOutError)
    return isinstance(error, KafkaError | TimeoutError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, that one's cause, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
