"""Generate `deploy/docs/rights.md` from the table of rights.

`python -m streams.kafka.rights.page > deploy/docs/rights.md` writes it. A test compares the two.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from streams.kafka.rights.acls import grants
from streams.kafka.rights.table import COMMANDS, Right, command_rights, webhook_rights, worker_rights
from streams.kafka.settings import Topics

WHOSE: Final = "User:sekisho"
BOOTSTRAP: Final = "broker:9092"
GROUP: Final = "sekisho"
WEBHOOK_GROUP: Final = "sekisho-webhook"

SECTIONS: Final = {
    "topics create": "The right `Create` on the cluster can replace the nine on topics.",
    "dlq list": "",
    "dlq redrive": "Without `--yes` nothing is sent, and these rights are enough.",
    "dlq redrive --yes": "In addition to those of `dlq redrive`.",
    "replay": "A table without `--labels`. With `--start-worker` the worker needs its own rights, under the same user.",
    "replay --labels": "In addition to those of `replay`.",
    "replay --merchant-table": "In addition to those of `replay`.",
    "replay --events": "In addition to those of `replay`.",
    "compliance report": "With `--events` it reads a file and needs none.",
    "explain": "With `--events`, `--table` or `-` it reads no topic and needs none.",
    "train --from-topics": "`backtest --from-topics` and `promote --from-topics` need the same. With `--table` or "
    "`--events` they read files and need none.",
    "replay --recorded": "It sends nothing.",
    "feed": "`deploy/feed.py`, or your own producer.",
}
"""A remark for each command, above its table."""


def markdown() -> str:
    """Return the page, with the default names of topics and group."""
    return "\n".join(_lines()) + "\n"


INTRODUCTION: Final = """\
# Rights

Grant these rights on brokers with an authorizer. Run the lines of `kafka-acls` below, with your own names:

* Put `topics.prefix` before each topic, and your `consume.group` in place of `sekisho`.
* With `topics.names.settlements`, grant Read on that topic for `compliance report`, and Create and Describe for \
`topics create`. Workers do not read it.
* With `topics.names.threeds_results`, grant the rights of `fraud-reports` on that topic too, in the same tables.
* With `topics.names.lists`, grant workers [two rights more](#worker-with-topicsnameslists), `explain` and \
`replay --recorded` Read on that topic, and `topics create` Create and Describe. Grant Write to the systems that add \
and remove entries.
* `User:sekisho` is the user of `kafka.sasl`. For a client certificate it is the subject, unless the brokers'
  `ssl.principal.mapping.rules` map it to another name.
* `kafka-acls` needs `--command-config FILE` where its own user has to log in.

A worker checks its rights before it reads the first record. A command checks them first. If rights are missing, one
message names them all, with the lines that grant them, and the exit status is 3. If a right is removed later, the
worker halts when it needs it, without a commit, and its last line is the same message.

Each table is complete, and all its rights are needed: a test removes each right in turn on Apache Kafka with SCRAM and
`StandardAuthorizer`. `Read` and `Write` imply `Describe`. No right on the cluster is needed: since Kafka 3.0 an
idempotent producer needs no `IdempotentWrite`. Some brokers do not report the rights on topics to a client (Metadata
before version 8). There a missing right shows at its first use.

Made from `streams/kafka/rights/table.py` by `python -m streams.kafka.rights.page`; do not edit."""


def _lines() -> Iterator[str]:
    yield INTRODUCTION
    worker = worker_rights(Topics(), GROUP, is_durable=True, is_fenced=True)
    yield from _section("Worker", worker)
    yield ""
    yield "Without profiles (`state.enabled: false`) these are enough:"
    yield from _block(worker_rights(Topics(), GROUP, is_durable=False, is_fenced=False))
    more = worker_rights(Topics(lists="lists"), GROUP, is_durable=True, is_fenced=True)
    of_lists = [right for right in more if right not in worker]
    yield from _section("Worker, with `topics.names.lists`", of_lists, "In addition to those of a worker.")
    yield from _section("`webhook`", webhook_rights(Topics(), WEBHOOK_GROUP), "The group is `webhook.group`.")
    for command in COMMANDS:
        yield from _section(f"`{command}`", command_rights(Topics(), command), SECTIONS[command])


def _section(title: str, rights: Sequence[Right], remark: str = "") -> Iterator[str]:
    yield from ("", f"## {title}", "")
    if remark:
        yield from (remark, "")
    yield from ("| operation | resource | name | what for |", "|---|---|---|---|")
    for right in rights:
        name = f"`{right.name}`, prefixed" if right.is_prefix else f"`{right.name}`"
        yield f"| {right.operation} | {right.kind} | {name} | {right.why} |"
    yield from _block(rights)


def _block(rights: Sequence[Right]) -> Iterator[str]:
    yield from ("", "```", *grants(rights, WHOSE, BOOTSTRAP), "```")


if __name__ == "__main__":
    print(markdown(), end="")  # noqa: T201 -- the program prints its page
