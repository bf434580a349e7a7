"""Upstream source that the transport overrides or relies on is unchanged since it was reviewed.

If a test fails after an upgrade: read the new source, adapt the override, then record the new digest
(`python -m tests.transport.test_upstream` prints the table).
"""

import hashlib
import inspect
from collections.abc import Callable
from typing import Any

import aiokafka
import faust
import faust.app.base
import mode.threads
import pytest
from aiokafka import client, cluster, conn
from aiokafka.consumer import fetcher, group_coordinator, subscription_state
from aiokafka.producer import message_accumulator, sender
from aiokafka.record import default_records, legacy_records, memory_records
from faust.tables.recovery import Recovery
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver

PINNED: dict[str, tuple[Callable[..., Any], str]] = {
    "consumer.Consumer.getmany": (consumer.Consumer.getmany, "4b168d84882a"),
    "consumer.Consumer._wait_next_records": (consumer.Consumer._wait_next_records, "6218e1969a63"),
    "consumer.Consumer._drain_messages": (consumer.Consumer._drain_messages, "44a2500309e8"),
    "consumer.Consumer.ack": (consumer.Consumer.ack, "5fcf41cf4515"),
    "consumer.Consumer._add_gap": (consumer.Consumer._add_gap, "4df2573ded7c"),
    "consumer.Consumer._filter_tps_with_pending_acks": (
        consumer.Consumer._filter_tps_with_pending_acks,
        "f6f923977423",
    ),
    "consumer.Consumer._new_offset": (consumer.Consumer._new_offset, "1d2c7ea89a7a"),
    "consumer.Consumer._should_commit": (consumer.Consumer._should_commit, "5ce941793947"),
    "consumer.Consumer._filter_committable_offsets": (consumer.Consumer._filter_committable_offsets, "dc5e9baf5d99"),
    "consumer.Consumer._commit_tps": (consumer.Consumer._commit_tps, "a20e230b05ae"),
    "consumer.Consumer._commit_offsets": (consumer.Consumer._commit_offsets, "1a6979904118"),
    "consumer.Consumer.on_partitions_revoked": (consumer.Consumer.on_partitions_revoked, "d04b7ae72c6f"),
    "consumer.Consumer.on_partitions_assigned": (consumer.Consumer.on_partitions_assigned, "29ce96596f05"),
    "consumer.Consumer.resume_flow": (consumer.Consumer.resume_flow, "db59630f25b5"),
    "consumer.Consumer.perform_seek": (consumer.Consumer.perform_seek, "0e8c130ff4b0"),
    "consumer.Consumer.wait_empty": (consumer.Consumer.wait_empty, "e4662fe24f09"),
    "consumer.Consumer.on_stop": (consumer.Consumer.on_stop, "45b1d2210ce2"),
    "consumer.ThreadDelegateConsumer.__init__": (consumer.ThreadDelegateConsumer.__init__, "7072ae80eac1"),
    "driver.Consumer._new_consumer_thread": (driver.Consumer._new_consumer_thread, "0870ec53dea7"),
    "driver.Consumer.verify_event_path": (driver.Consumer.verify_event_path, "a17e8f0610e1"),
    "driver.AIOKafkaConsumerThread._create_worker_consumer": (
        driver.AIOKafkaConsumerThread._create_worker_consumer,
        "c2701bfc3e6f",
    ),
    "driver.AIOKafkaConsumerThread.getmany": (driver.AIOKafkaConsumerThread.getmany, "26fc5fc9f3b6"),
    "driver.AIOKafkaConsumerThread._fetch_records": (driver.AIOKafkaConsumerThread._fetch_records, "39a2c6c79fc1"),
    "driver.AIOKafkaConsumerThread._commit": (driver.AIOKafkaConsumerThread._commit, "932852ce7a23"),
    "driver.AIOKafkaConsumerThread.on_start": (driver.AIOKafkaConsumerThread.on_start, "38b4e8bd1e10"),
    "driver.AIOKafkaConsumerThread.on_thread_stop": (driver.AIOKafkaConsumerThread.on_thread_stop, "8dfc004e258b"),
    "driver.Producer._settings_extra": (driver.Producer._settings_extra, "a4c7bc41b638"),
    "driver.Producer._new_producer": (driver.Producer._new_producer, "e72355c3430e"),
    "driver.Producer._ensure_producer": (driver.Producer._ensure_producer, "5592a4bbdf25"),
    "mode.threads.ServiceThread.__init__": (mode.threads.ServiceThread.__init__, "82979878990c"),
    "mode.threads.ServiceThread.start": (mode.threads.ServiceThread.start, "f11841038a03"),
    "mode.threads.ServiceThread.stop": (mode.threads.ServiceThread.stop, "32d026539c36"),
    "mode.threads.ServiceThread._serve": (mode.threads.ServiceThread._serve, "67809eae0957"),
    "mode.threads.ServiceThread._shutdown_thread": (mode.threads.ServiceThread._shutdown_thread, "d7377862e734"),
    "faust.App._new_transport": (faust.App._new_transport, "42db531312dd"),
    "faust.App._create_directories": (faust.App._create_directories, "a9f571c3b04a"),
    "faust.App._stop_consumer": (faust.App._stop_consumer, "55854a5de12c"),
    "faust.App._on_partitions_revoked": (faust.App._on_partitions_revoked, "d5c895bbe57d"),
    "faust.App._on_partitions_assigned": (faust.App._on_partitions_assigned, "de932b7927db"),
    "faust.app.base.BootStrategy.server": (faust.app.base.BootStrategy.server, "97e47ea1dec3"),
    "faust.Schema.compile": (faust.Schema.compile, "d46eec5ce319"),
    "Recovery._restart_recovery.fun": (Recovery._restart_recovery.fun, "6bd8a8558a2d"),
    "Recovery._resume_streams": (Recovery._resume_streams, "d986a6710c1a"),
    "fetcher.Fetcher.fetched_records": (fetcher.Fetcher.fetched_records, "be4348896b9b"),
    "fetcher.Fetcher._fetch_requests_routine": (fetcher.Fetcher._fetch_requests_routine, "2a8ec5932644"),
    "fetcher.Fetcher._get_actions_per_node": (fetcher.Fetcher._get_actions_per_node, "1dab2cf937d1"),
    "fetcher.FetchResult.getall": (fetcher.FetchResult.getall, "3e717e30de50"),
    "fetcher.FetchResult.has_more": (fetcher.FetchResult.has_more, "a25ee8ab9340"),
    "fetcher.FetchResult._update_position": (fetcher.FetchResult._update_position, "83fb1473bf10"),
    "aiokafka.AIOKafkaConsumer.getmany": (aiokafka.AIOKafkaConsumer.getmany, "bc6d248e42a4"),
    "default_records._DefaultRecordBatchPy._maybe_uncompress": (
        default_records._DefaultRecordBatchPy._maybe_uncompress,
        "c9d0dc2bed50",
    ),
    "default_records._DefaultRecordBatchPy._read_msg": (
        default_records._DefaultRecordBatchPy._read_msg,
        "0997ab7a5850",
    ),
    "memory_records._MemoryRecordsPy.next_batch": (memory_records._MemoryRecordsPy.next_batch, "f1779ecb6d0d"),
    "legacy_records._LegacyRecordBatchPy.__iter__": (legacy_records._LegacyRecordBatchPy.__iter__, "a668f4e65390"),
    "fetcher.FetchResult.check_assignment": (fetcher.FetchResult.check_assignment, "b5340df67e3f"),
    "fetcher.PartitionRecords.__init__": (fetcher.PartitionRecords.__init__, "8ec1c2ae6ea1"),
    "fetcher.PartitionRecords._unpack_records": (fetcher.PartitionRecords._unpack_records, "b803e6d46480"),
    "fetcher.PartitionRecords._consume_aborted_up_to": (
        fetcher.PartitionRecords._consume_aborted_up_to,
        "56876530cd64",
    ),
    "fetcher.PartitionRecords._contains_abort_marker": (
        fetcher.PartitionRecords._contains_abort_marker,
        "17e9ad2322ef",
    ),
    "aiokafka.AIOKafkaConsumer.start": (aiokafka.AIOKafkaConsumer.start, "2f1ba7044332"),
    "message_accumulator.MessageAccumulator._append_batch": (
        message_accumulator.MessageAccumulator._append_batch,
        "4762abfc42cb",
    ),
    "message_accumulator.MessageAccumulator.drain_by_nodes": (
        message_accumulator.MessageAccumulator.drain_by_nodes,
        "fc995afbfc57",
    ),
    "message_accumulator.MessageAccumulator._pop_batch": (
        message_accumulator.MessageAccumulator._pop_batch,
        "41cc98a298ef",
    ),
    "message_accumulator.MessageBatch.failure": (message_accumulator.MessageBatch.failure, "719b2122c318"),
    "message_accumulator.MessageBatch.done": (message_accumulator.MessageBatch.done, "2d765e5c2dc8"),
    "message_accumulator.BatchBuilder.append": (message_accumulator.BatchBuilder.append, "657d76f55157"),
    "message_accumulator.MessageAccumulator.add_batch": (
        message_accumulator.MessageAccumulator.add_batch,
        "5ed1c5b1367a",
    ),
    "fetcher.Fetcher._proc_fetch_request": (fetcher.Fetcher._proc_fetch_request, "59bf948fff47"),
    "fetcher.Fetcher.seek_to": (fetcher.Fetcher.seek_to, "f0ba6aba6c22"),
    "subscription_state.SubscriptionState.assign_from_user": (
        subscription_state.SubscriptionState.assign_from_user,
        "0a6bd14f1ff6",
    ),
    "subscription_state.SubscriptionState.unsubscribe": (
        subscription_state.SubscriptionState.unsubscribe,
        "3a0f7d08449a",
    ),
    "subscription_state.TopicPartitionState.consumed_to": (
        subscription_state.TopicPartitionState.consumed_to,
        "c7b8f0f99ce9",
    ),
    "aiokafka.AIOKafkaConsumer.assign": (aiokafka.AIOKafkaConsumer.assign, "284d8843e221"),
    "aiokafka.AIOKafkaProducer.stop": (aiokafka.AIOKafkaProducer.stop, "43ef97147111"),
    "message_accumulator.BatchBuilder._set_producer_state": (
        message_accumulator.BatchBuilder._set_producer_state,
        "ab6b10c5329a",
    ),
    "message_accumulator.BatchBuilder._build": (message_accumulator.BatchBuilder._build, "2ea37ea86320"),
    "message_accumulator.BatchBuilder.size": (message_accumulator.BatchBuilder.size, "2f29cefafa91"),
    "message_accumulator.BatchBuilder.record_count": (message_accumulator.BatchBuilder.record_count, "3a3d4948a3b7"),
    "message_accumulator.BatchBuilder.closed": (message_accumulator.BatchBuilder.closed, "16b9c254eeec"),
    "message_accumulator.MessageBatch.set_producer_state": (
        message_accumulator.MessageBatch.set_producer_state,
        "3ae8627bb3db",
    ),
    "message_accumulator.MessageBatch.remaining_linger": (
        message_accumulator.MessageBatch.remaining_linger,
        "6f296891237b",
    ),
    "message_accumulator.MessageBatch.get_data_buffer": (
        message_accumulator.MessageBatch.get_data_buffer,
        "81c4aaef84b0",
    ),
    "message_accumulator.MessageAccumulator.reenqueue": (
        message_accumulator.MessageAccumulator.reenqueue,
        "f75f518a1ae2",
    ),
    "message_accumulator.MessageAccumulator.fail_all": (
        message_accumulator.MessageAccumulator.fail_all,
        "f1e12e8100bf",
    ),
    "fetcher.Fetcher.close": (fetcher.Fetcher.close, "1cd24bc1c442"),
    "aiokafka.AIOKafkaConsumer.stop": (aiokafka.AIOKafkaConsumer.stop, "bc5da9c98595"),
    "client.AIOKafkaClient.send": (client.AIOKafkaClient.send, "246b277687d7"),
    "client.AIOKafkaClient.ready": (client.AIOKafkaClient.ready, "79d9637f40fc"),
    "client.AIOKafkaClient.coordinator_lookup": (client.AIOKafkaClient.coordinator_lookup, "19cc69fb75f8"),
    "client.AIOKafkaClient.force_metadata_update": (client.AIOKafkaClient.force_metadata_update, "cb7befef21c8"),
    "group_coordinator.GroupCoordinator.commit_offsets": (
        group_coordinator.GroupCoordinator.commit_offsets,
        "5cbe31af28d6",
    ),
    "group_coordinator.GroupCoordinator._do_commit_offsets": (
        group_coordinator.GroupCoordinator._do_commit_offsets,
        "c3a3ea5613f3",
    ),
    "group_coordinator.GroupCoordinator.fetch_committed_offsets": (
        group_coordinator.GroupCoordinator.fetch_committed_offsets,
        "6c049c737916",
    ),
    "group_coordinator.GroupCoordinator._send_req": (group_coordinator.GroupCoordinator._send_req, "fa4b12e914ce"),
    "group_coordinator.GroupCoordinator._do_heartbeat": (
        group_coordinator.GroupCoordinator._do_heartbeat,
        "dc1d6632aaa6",
    ),
    "group_coordinator.CoordinatorGroupRebalance._send_sync_group_request": (
        group_coordinator.CoordinatorGroupRebalance._send_sync_group_request,
        "7429ca078ddf",
    ),
    "client.AIOKafkaClient.close": (client.AIOKafkaClient.close, "02119d4d618a"),
    "client.AIOKafkaClient._metadata_update": (client.AIOKafkaClient._metadata_update, "06dc51ed3e0d"),
    "client.AIOKafkaClient._md_synchronizer": (client.AIOKafkaClient._md_synchronizer, "e0421bffa9a7"),
    "cluster.ClusterMetadata.brokers": (cluster.ClusterMetadata.brokers, "7bed0c723658"),
    "cluster.ClusterMetadata.broker_metadata": (cluster.ClusterMetadata.broker_metadata, "96b8a6c51b4a"),
    "cluster.ClusterMetadata.update_metadata": (cluster.ClusterMetadata.update_metadata, "6c2cce8f96dc"),
    "conn.AIOKafkaConnection.send": (conn.AIOKafkaConnection.send, "5909ea32f4ef"),
    "conn.AIOKafkaConnection._handle_frame": (conn.AIOKafkaConnection._handle_frame, "46a7d9b8cf7c"),
    "group_coordinator.GroupCoordinator.close": (group_coordinator.GroupCoordinator.close, "f30d83108945"),
    "group_coordinator.GroupCoordinator._maybe_leave_group": (
        group_coordinator.GroupCoordinator._maybe_leave_group,
        "016cd88a16e6",
    ),
    "conn.create_conn": (
        conn.create_conn,
        "673276cbddb4",
    ),
    "conn.AIOKafkaConnection.connect": (
        conn.AIOKafkaConnection.connect,
        "b0f9ba7f0cf6",
    ),
    "conn.AIOKafkaConnection.close": (
        conn.AIOKafkaConnection.close,
        "28f164aa1e4f",
    ),
    "conn.AIOKafkaConnection._do_sasl_handshake": (
        conn.AIOKafkaConnection._do_sasl_handshake,
        "d4f7b5acbbec",
    ),
    "client.AIOKafkaClient.bootstrap": (
        client.AIOKafkaClient.bootstrap,
        "198943b004e5",
    ),
    "client.AIOKafkaClient._get_conn": (
        client.AIOKafkaClient._get_conn,
        "68ce5d839171",
    ),
    "group_coordinator.GroupCoordinator._push_error_to_user": (
        group_coordinator.GroupCoordinator._push_error_to_user,
        "743ff515bd7e",
    ),
    "group_coordinator.GroupCoordinator._GroupCoordinator__coordination_routine": (
        group_coordinator.GroupCoordinator._GroupCoordinator__coordination_routine,
        "f814463c6b44",
    ),
    "sender.SendProduceReqHandler.do": (sender.SendProduceReqHandler.do, "2dccd3d56b16"),
    "sender.SendProduceReqHandler._can_retry": (sender.SendProduceReqHandler._can_retry, "7ff5d491d977"),
    "sender.SendProduceReqHandler.create_request": (sender.SendProduceReqHandler.create_request, "807639a95205"),
}


def digest(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]


@pytest.mark.parametrize("name", PINNED)
def test_upstream_source_is_the_one_that_was_read(name: str) -> None:
    function, expected = PINNED[name]
    assert digest(function) == expected, f"{name} changed upstream: review the override that relies on it"


def main() -> None:
    for name, (function, _) in PINNED.items():
        print(f'    "{name}": ({name}, "{digest(function)}"),')


if __name__ == "__main__":
    main()
