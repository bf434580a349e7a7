"""Report errors of all commands in the same way: a line on standard error and an exit status."""

import functools
from argparse import Namespace
from collections.abc import Callable

from streams.config.strict import ConfigError
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_USAGE, tell
from streams.kafka.errors import BrokersError

Command = Callable[[Namespace], int]


def reported(command: str) -> Callable[[Command], Command]:
    """Turn errors that a user can fix into a message and an exit status. Bugs keep their traceback."""

    def decorate(run: Command) -> Command:
        @functools.wraps(run)
        def guarded(arguments: Namespace) -> int:
            try:
                return run(arguments)
            except ConfigError as error:
                tell(command, error)
                return EXIT_USAGE
            except BrokersError as error:
                tell(command, error)
                return EXIT_INFRASTRUCTURE
            except BrokenPipeError:
                raise
            except OSError as error:
                tell(command, f"{error.filename or ''}: {error.strerror or error}".removeprefix(": "))
                return EXIT_INFRASTRUCTURE

        return guarded

    return decorate
