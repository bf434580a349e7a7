"""What a redrive did, or would do, in words."""

from streams.dlq.mended import FAULTS_TOLD
from streams.dlq.redrive import Account
from streams.dlq.table import printable, table


def describe(account: Account) -> str:
    """Write the account of a run: by partition, what is still refused, and the sum of it all."""
    parts = []
    if account.rows:
        parts.append(_partitions(account))
    if account.refusals:
        rows = [(*kind, count) for kind, count in account.refusals.most_common()]
        parts.append("still refused:\n" + table(("topic", "reason", "path", "letters"), rows))
    parts.append(_sum(account))
    return "\n\n".join(parts)


def remarks(account: Account) -> list[str]:
    """Name what whoever asked should know besides."""
    told = [printable(fault) for fault in account.faults[:FAULTS_TOLD]]
    if len(account.faults) > FAULTS_TOLD:
        told.append(f"... and {len(account.faults) - FAULTS_TOLD:,} more lines of the file")
    for topic, count in account.elsewhere.most_common():
        why = "because only authorizations, outcomes and fraud reports are redriven"
        told.append(f"left alone: {count:,} of {printable(topic)}, {why}")
    if account.unread["OVERSIZE_BATCH"]:
        told.append(
            f"{account.unread['OVERSIZE_BATCH']:,} lie in batches that take more than consume.record_batch_max_bytes "
            "unpacked: if they are right, raise it, for the workers too, and run the same again"
        )
    if account.unread["MALFORMED_BATCH"]:
        told.append(f"{account.unread['MALFORMED_BATCH']:,} lie in batches that cannot be read: have them sent again")
    if account.foreign:
        told.append(f"passed over: {account.foreign:,} on the dead-letters topic that are no dead letters")
    for topic in sorted(account.dated_by_broker):
        told.append(f"{topic} dates its records on arrival (LogAppendTime): what is redriven counts as of now")
    for name, count in account.errors.most_common():
        told.append(f"not acknowledged: {count:,} ({name}); run the same again, what was sent is not sent twice")
    return told


def _partitions(account: Account) -> str:
    verb = "to send" if account.is_dry else "sent"
    rows = [
        (topic, number, row.chosen, row.sent, row.refused, row.redriven, row.gone)
        for (topic, number), row in sorted(account.rows.items())
    ]
    return table(("topic", "partition", "letters", verb, "refused", "redriven", "gone"), rows)


def _sum(account: Account) -> str:
    if not account.rows:
        return "no dead letter to redrive"
    figures = [
        (account.total("sent"), "to send" if account.is_dry else "sent"),
        (account.total("refused"), "still refused"),
        (account.total("redriven"), "already redriven"),
        (account.total("gone"), "gone by retention"),
    ]
    if account.total("failed"):
        figures += [(account.total("failed"), "failed"), (account.total("untried"), "not tried")]
    text = ", ".join(f"{count:,} {what}" for count, what in figures)
    nothing_sent = "; nothing was sent: add --yes to send" if account.is_dry and account.total("sent") else ""
    return f"{text}{nothing_sent}"
