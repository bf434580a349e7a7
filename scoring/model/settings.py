"""Settings of the model: the section `model` of a configuration."""

from typing import Annotated

from msgspec import Meta, Struct


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Folder of the model bundle; None is the demonstration bundle inside the package. The caller reads the files.

    `challenger_dir`: folder of a second bundle, which scores the same events in shadow; None for none.
    `watch_interval_s`: time between two looks for a change of the files of `bundle_dir`.
    """

    bundle_dir: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    challenger_dir: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    watch_interval_s: Annotated[float, Meta(gt=0.0, le=3600.0)] = 2.0
