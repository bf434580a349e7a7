"""Count decisions at or above each score, with the frauds among them, and by band: `python thresholds.py --help`.

It reads a topic of decisions to its end, joins no group and changes nothing. A decision belongs to the row of the table
whose number stands in its event id, as `sekisho replay` writes it.
"""

import argparse
import asyncio
import csv
import json
import sys
from collections import Counter
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition


async def decided(bootstrap: str, topic: str) -> dict[str, tuple[int, str]]:
    """Read score and band of every event id from the topic."""
    found: dict[str, tuple[int, str]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        await consumer.topics()
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    decision = json.loads(record.value)
                    found[decision["decision_id"]] = (decision["score"], decision["band"])
    return found


def lines(scored: dict[int, int], frauds: set[int], thresholds: list[int]) -> list[str]:
    """Write one line for each threshold: events there or above, frauds among them, share of all frauds."""
    told = ["score   events  share   frauds  found   false per fraud"]
    for threshold in thresholds:
        rows = {row for row, score in scored.items() if score >= threshold}
        caught = len(rows & frauds)
        false = f"{(len(rows) - caught) / caught:15.1f}" if caught else f"{'-':>15}"
        shares = (len(rows) / max(len(scored), 1), caught / max(len(frauds), 1))
        told.append(f"{threshold:5}  {len(rows):7,}  {shares[0]:5.1%}  {caught:7,}  {shares[1]:5.1%}  {false}")
    return told


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092", metavar="HOST:PORT")
    parser.add_argument("--topic", required=True, help="the topic of decisions, with its prefix")
    parser.add_argument("--table", required=True, type=Path, help="the CSV that was replayed")
    parser.add_argument("--column", required=True, help="its column of frauds")
    parser.add_argument("--fraud", default="Y", help="what a fraud reads there (default Y)")
    parser.add_argument("--id-prefix", default="", help="as given to sekisho replay")
    chosen = parser.parse_args()
    with chosen.table.open(encoding="utf-8", newline="") as file:
        frauds = {row for row, cells in enumerate(csv.DictReader(file)) if cells[chosen.column] == chosen.fraud}
    found = asyncio.run(decided(chosen.bootstrap, chosen.topic))
    rows = {event.removeprefix(chosen.id_prefix): score for event, (score, _) in found.items()}
    scored = {int(row): score for row, score in rows.items() if row.isdecimal()}
    bands = ", ".join(f"{band} {count:,}" for band, count in Counter(band for _, band in found.values()).most_common())
    sys.stdout.write("\n".join([*lines(scored, frauds, list(range(200, 1000, 50))), f"bands: {bands}"]) + "\n")


if __name__ == "__main__":
    main()
