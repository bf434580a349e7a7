"""Settings of the HTTP endpoints and of the log."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Host = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9.:-]+\Z")]


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Address of /metrics, /livez, /readyz and /version. They contain no secrets, but need not be public."""

    enabled: bool = True
    host: Host = "127.0.0.1"
    port: Port = 9464


class LoggingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Level and repeat limit of the log: one JSON object per line on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    repeat_interval_s: Annotated[float, Meta(ge=0, le=3600)] = 10.0
