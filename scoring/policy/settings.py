"""Settings of the policy: the section `policy` of a configuration."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class PolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Place of the policy: a file, or `inline`; with neither, the default policy inside the package.

    The caller reads the file.
    """

    file: Annotated[str, Meta(min_length=1, max_length=4096)] | None = None
    inline: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.inline is not None:
            raise ValueError("file and inline exclude each other")
