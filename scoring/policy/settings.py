"""Settings of the policy: the section `policy` of a configuration."""

from typing import Annotated, Any

from msgspec import Meta, Struct

Place = Annotated[str, Meta(min_length=1, max_length=4096)]

Seconds = Annotated[float, Meta(gt=0.0, le=3600.0)]


class PolicySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Place of the policy: a file, or `inline`; with neither, the default policy inside the package.

    `acquirers_dir`: a folder with a file for each acquirer, which belong to the policy. `last_good_file`: the policy in
    use is kept there, for a start while the files are refused. `lists_dir`: a folder with a file for each list of the
    policy. The caller reads the files.
    """

    file: Place | None = None
    inline: dict[str, Any] | None = None
    acquirers_dir: Place | None = None
    lists_dir: Place | None = None
    approver_required: bool = False
    watch_interval_s: Seconds = 2.0
    audit_file: Place | None = None
    last_good_file: Place | None = None

    def __post_init__(self) -> None:
        if self.file is not None and self.inline is not None:
            raise ValueError("file and inline exclude each other")
