"""The settings of the local Kafka broker, as pure functions of paths and ports.

Three listeners, all encrypted: CLIENTS with a SCRAM password, BROKER and CONTROLLER with the
broker's own certificate. So no password stands in a settings file, and a lost one of the
administrator does not stop the broker.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from bus.local.certificates import BROKER_PRINCIPAL
from bus.local.choices import LOOPBACK, Choices
from bus.local.layout import Layout

ADMIN_PRINCIPAL = "bus-admin"

_LOG_FILE_MAX = "20MB"
_LOG_FILES_KEPT = 2
_RECORD_BATCH_BYTES_MAX = 1_677_721  # 1.6 MiB: a quarantined batch of 1.5 MiB and its frame
# Why not less: aiokafka does not authenticate anew, its connections are cut at each limit.
_REAUTHENTICATION_MS = 900_000
# Why: a right is checked when a fetch arrives, not when it is answered, so this bounds what a
# revoked consumer still gets from a fetch that was already waiting.
_CONNECTION_IDLE_MS = 10_000


def server_properties(layout: Layout, choices: Choices, *, data: Path) -> str:
    """Return the broker's settings file.

    Args:
        layout: Where keys and certificates lie.
        choices: The three ports of Kafka.
        data: The folder of topics and metadata.
    """
    return properties_text(
        {
            **_network(choices),
            **_identity(layout),
            **_topics(data),
            **_recovery(),
        }
    )


def _network(choices: Choices) -> dict[str, str]:
    client = f"CLIENTS://{LOOPBACK}:{choices.kafka_client_port}"
    broker = f"BROKER://{LOOPBACK}:{choices.kafka_broker_port}"
    controller = f"{LOOPBACK}:{choices.kafka_controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"{client},{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"{client},{broker}",
        "listener.security.protocol.map": "CLIENTS:SASL_SSL,BROKER:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "connections.max.idle.ms": str(_CONNECTION_IDLE_MS),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


def _identity(layout: Layout) -> dict[str, str]:
    scram = "listener.name.clients.scram-sha-512"
    return {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        f"{scram}.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        f"{scram}.connections.max.reauth.ms": str(_REAUTHENTICATION_MS),
        "listener.name.broker.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
        "ssl.enabled.protocols": "TLSv1.3",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(layout.broker_pem_file),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(layout.ca_file),
        "ssl.principal.mapping.rules": "RULE:^CN=([a-z0-9._-]+)$/$1/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{ADMIN_PRINCIPAL};User:{BROKER_PRINCIPAL}",
    }


def _topics(data: Path) -> dict[str, str]:
    return {
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "log.message.timestamp.type": "LogAppendTime",
        "message.max.bytes": str(_RECORD_BATCH_BYTES_MAX),
        "unclean.leader.election.enable": "false",
        "log.cleaner.dedupe.buffer.size": "16777216",  # the default is a quarter of our heap
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


def _recovery() -> dict[str, str]:
    # Why: after kill -9 a broker waits for its former registration to end, 9 s by default.
    return {
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "group.min.session.timeout.ms": "1000",
        "group.initial.rebalance.delay.ms": "0",
    }


def log_properties(layout: Layout) -> str:
    """Return the settings of the broker's log: rotated by size, so bounded."""
    path = layout.kafka_log
    return properties_text(
        {
            "status": "error",
            "appender.file.type": "RollingFile",
            "appender.file.name": "file",
            "appender.file.fileName": str(path),
            "appender.file.filePattern": str(path.with_name("kafka.%i.log")),
            "appender.file.layout.type": "PatternLayout",
            "appender.file.layout.charset": "UTF-8",
            "appender.file.layout.pattern": "%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}{UTC} %p %m (%c)%n",
            "appender.file.policies.type": "Policies",
            "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
            "appender.file.policies.size.size": _LOG_FILE_MAX,
            "appender.file.strategy.type": "DefaultRolloverStrategy",
            "appender.file.strategy.max": str(_LOG_FILES_KEPT),
            "rootLogger.level": "INFO",
            "rootLogger.appenderRef.file.ref": "file",
        }
    )


def format_argument_file(*, settings: Path, cluster_id: str, password: str) -> str:
    """Return a Java argument file that formats the storage and adds the administrator.

    Java reads such a file itself, so the password is on no command line.
    """
    words = [
        "kafka.tools.StorageTool",
        *("format", "--cluster-id", cluster_id, "--config", str(settings)),
        *("--add-scram", f"SCRAM-SHA-512=[name={ADMIN_PRINCIPAL},password={password}]"),
    ]
    return "\n".join('"' + w.replace("\\", "\\\\").replace('"', '\\"') + '"' for w in words)


def properties_text(settings: Mapping[str, str]) -> str:
    """Return settings as a Java properties file, whose escapes are those of JSON."""
    return "".join(f"{key}={json.dumps(value)[1:-1]}\n" for key, value in settings.items())
