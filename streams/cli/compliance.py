"""`sekisho compliance report`: make a report of an acquirer, from its topics or from a stored file."""

import asyncio
import logging
from argparse import Namespace
from collections.abc import Sequence
from datetime import date, timedelta
from importlib.metadata import version

from scoring.compliance.assembly import Assembly, Ranges
from scoring.compliance.inputs.sums import TooManyError
from scoring.compliance.programmes import Terms
from scoring.compliance.scope import Scope
from scoring.merchants.months.calendar import first_day, month_of_day
from streams.cli.failures import reported
from streams.compliance.browser import BrowserError, find, print_pdf
from streams.compliance.files import read_file
from streams.compliance.topics import TopicsReader
from streams.compliance.write import OutputError, check, write
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.config.wiring import engine_settings
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, EXIT_USAGE, show, tell
from streams.kafka.errors import MissingTopicError
from streams.kafka.explain import authorized
from streams.kafka.rights.table import command_rights
from streams.replay.source import SourceError

NAME = "compliance report"


class _UsageError(Exception):
    """Options do not go together, or name what is not there."""


@reported(NAME)
def run(arguments: Namespace) -> int:
    """Make a report."""
    logging.getLogger("aiokafka").addHandler(logging.NullHandler())  # its errors are reported below, once
    try:
        return _report(arguments)
    except (SourceError, OutputError, TooManyError, _UsageError) as error:
        tell(NAME, error)
        return EXIT_USAGE
    except (MissingTopicError, BrowserError) as error:
        tell(NAME, error)
        return EXIT_INFRASTRUCTURE


def _report(options: Namespace) -> int:
    if options.config is None and options.events is None:
        raise _UsageError("name --config FILE to read the topics, or --events FILE to read a stored file")
    settings = Settings() if options.config is None else load_settings(options.config)
    scopes = [_scope(options, options.as_of)]
    if options.compare is not None:
        if month_of_day(options.compare) >= scopes[0].month:
            raise _UsageError("--compare: name a month before that of --as-of")
        scopes.append(_scope(options, first_day(month_of_day(options.compare) + 1) - timedelta(days=1)))
    check(options.out)
    browser = find() if options.pdf else None
    engine = engine_settings(settings)
    assemblies = [Assembly(scope, engine.decode, engine.threeds, engine.merchants_max) for scope in scopes]
    ranges: Ranges | None = None
    if options.events is None:
        ranges = asyncio.run(_read(settings, assemblies))
    else:
        read_file(options.events, assemblies, engine.decode)
    if not assemblies[0].has_records:
        raise _UsageError(f"nothing of acquirer {options.acquirer!r} up to {options.as_of} was read: check --acquirer")
    terms = Terms(region=options.region, efm_region=options.efm_region, rates=dict(options.rate))
    reports = [assembly.finish(terms, ranges, version("sekisho")) for assembly in assemblies]
    for text in write(options.out, *reports):
        show(text)
    if browser is not None:
        print_pdf(browser, options.out / "report.html", options.out / "report.pdf")
        show(str(options.out / "report.pdf"))
    return EXIT_OK


async def _read(settings: Settings, assemblies: Sequence[Assembly]) -> Ranges:
    rights = command_rights(settings.topics.full, NAME)
    async with authorized(settings.kafka, rights):
        reader = TopicsReader(settings, engine_settings(settings).decode, lambda text: tell(NAME, text))
        return await reader.read(assemblies)


def _scope(options: Namespace, as_of: date) -> Scope:
    return Scope(acquirer_id=options.acquirer, as_of=as_of, months=options.months)
