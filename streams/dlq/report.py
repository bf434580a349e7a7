"""Text for the result of a redrive."""

from streams.dlq.mended import FAULTS_TOLD
from streams.dlq.redrive import Account
from streams.dlq.table import printable, table


def describe(account: Account) -> str:
    """Return the result of a run as text: by partition, what is still refused, and the totals."""
    parts = []
    if account.rows:
        parts.append(_partitions(account))
    if account.refusals:
        rows = [(*kind, count) for kind, count in account.refusals.most_common()]
        parts.append("still refused:\n" + table(("topic", "reason", "path", "letters"), rows))
    parts.append(_sum(account))
    return "\n\n".join(parts)


def remarks(account: Account) -> list[str]:
    """Return remarks about a run, one line each."""
    told = [printable(fault) for fault in account.faults[:FAULTS_TOLD]]
    if len(account.faults) > FAULTS_TOLD:
        told.append(f"... and {len(account.faults) - FAULTS_TOLD:,} more lines of the file")
    for topic, count in account.elsewhere.most_common():
        why = "because only authorizations, outcomes and fraud reports are redriven"
        told.append(f"not redriven: {count:,} of {printable(topic)}, {why}")
    if account.unread["OVERSIZE_BATCH"]:
        told.append(
            f"{account.unread['OVERSIZE_BATCH']:,} are in batches larger than consume.record_batch_max_bytes unpacked: "
            "if they are valid, raise it, for the workers too, and run the same command again"
        )
    if account.unread["MALFORMED_BATCH"]:
        told.append(
            f"{account.unread['MALFORMED_BATCH']:,} are in batches that cannot be read: their producer must send them "
            "again"
        )
    if account.foreign:
        told.append(f"skipped: {account.foreign:,} records on the dead-letters topic that are no dead letters")
    for topic in sorted(account.dated_by_broker):
        told.append(f"{topic} sets timestamps on arrival (LogAppendTime): redriven records get the present time")
    for name, count in account.errors.most_common():
        told.append(
            f"not acknowledged: {count:,} ({name}); run the same command again: sent records are not sent twice"
        )
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
