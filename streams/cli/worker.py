"""`sekisho worker`: run a worker."""

import logging
import os
import signal
from argparse import Namespace
from pathlib import Path

from streams.cli.failures import reported
from streams.config.environment import Overrides
from streams.config.load import load_settings
from streams.config.settings import Settings
from streams.console.status import EXIT_INFRASTRUCTURE, EXIT_OK, tell
from streams.kafka.errors import SecurityError
from streams.policy.audit import RecordError
from streams.telemetry.facts import Telemetry
from streams.telemetry.http import HttpEndpoints, HttpError
from streams.telemetry.log import configure
from streams.transport.membership import InstanceIdError

log = logging.getLogger(__name__)


@reported("worker")
def run(arguments: Namespace) -> int:
    """Load model and policy, then score until a signal or a failure."""
    settings = load_settings(arguments.config)
    configure(settings.logging)
    if variables := Overrides(os.environ).variables:
        log.info("settings_replaced_by_environment variables=%s", ",".join(variables))
    telemetry = Telemetry(settings.topics.full)
    try:
        endpoints = HttpEndpoints(settings.http, telemetry) if settings.http.enabled else None
    except HttpError as error:
        tell("worker", error)
        return EXIT_INFRASTRUCTURE
    try:
        return serve(settings, telemetry, origin=arguments.config.name)
    except (SecurityError, InstanceIdError, RecordError) as error:
        tell("worker", error)
        return EXIT_INFRASTRUCTURE
    finally:
        if endpoints is not None:
            endpoints.close()


def serve(settings: Settings, telemetry: Telemetry, *, origin: str) -> int:
    """Build the engine, then run the app in this thread until it ends."""
    from streams.challenger.watch import ChallengerWatch  # noqa: PLC0415 -- the same
    from streams.config import wiring  # noqa: PLC0415 -- seconds of imports, during which /livez answers
    from streams.policy.last_good import starting_policy  # noqa: PLC0415 -- the same
    from streams.policy.model_reload import model_reload_of  # noqa: PLC0415 -- the same
    from streams.policy.reload import reload_of  # noqa: PLC0415 -- the same
    from streams.worker import app, warmup  # noqa: PLC0415 -- the same

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the policy can be reloaded; its default ends the process
    telemetry.starting("loading model and policy")
    engine = wiring.build_engine(settings, policy=starting_policy(settings, origin=origin))
    wiring.connect(telemetry, engine)
    telemetry.starting("compiling kernels")
    seconds = warmup.warm_up(engine.model)
    versions = engine.versions
    log.info("engine_built model=%s policy=%s warm_up_s=%.1f", versions.model, versions.policy, seconds)
    telemetry.starting("joining the group and reading the merchant store")

    def build() -> app.FraudApp:
        made = app.build_app(settings.worker, engine, telemetry)
        model, use = model_reload_of(settings, engine, telemetry), made.changelog_writer.policies.use
        also = None if model is None else model.ask
        made.beside.append(reload_of(settings, engine, telemetry, use, origin=origin, also=also))
        if model is not None:
            made.beside.append(model)
        if settings.model.challenger_dir is not None:
            made.beside.append(ChallengerWatch(Path(settings.model.challenger_dir), engine, telemetry))
        return made

    halted = app.run(build)
    return EXIT_INFRASTRUCTURE if halted else EXIT_OK
