"""Rights on the cluster brought to what the region grants, in both directions.

The bus manages every access control entry but those of super users, whom no entry limits: an
entry that no agreement explains is a hole, whoever made it and for whomever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from bus.access.rights import Right
from bus.errors import DocumentError
from bus.kafka.administration import REQUEST_TIMEOUT_S, Administration, settled, wait_for_effect
from bus.texts import finding_at, message

_ENTRIES_PER_REQUEST: Final = 500
_ANY_HOST: Final = "*"
_USER: Final = "User:"
_UNKNOWN: Final = "unknown"
_CLUSTER: Final = "cluster"
_EVERYTHING: Final = AclBindingFilter(
    ResourceType.ANY,
    None,  # type: ignore[arg-type]  # None: any, as its reference says
    ResourcePatternType.ANY,
    None,  # type: ignore[arg-type]
    None,  # type: ignore[arg-type]
    AclOperation.ANY,
    AclPermissionType.ANY,
)

BindingT = TypeVar("BindingT", bound=AclBinding)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AccessEntry:
    """One access control entry, in Kafka's words in lower case."""

    principal: str
    """With its type: `User:edu-registry`, `User:*`."""
    permission: str
    """`allow` or `deny`."""
    operation: str
    resource: str
    pattern: str
    name: str
    host: str
    """`*`: from anywhere."""

    @classmethod
    def of(cls, right: Right) -> Self:
        """Write a right as an entry."""
        return cls(
            principal=f"{_USER}{right.principal}",
            permission="allow",
            operation=right.operation,
            resource=right.resource,
            pattern=right.pattern,
            name=right.name,
            host=_ANY_HOST,
        )

    @property
    def is_removable(self) -> bool:
        """Whether the client library has words for it, and so can name it to Kafka."""
        return _UNKNOWN not in {self.operation, self.resource, self.pattern, self.permission}

    def __str__(self) -> str:
        whence = "" if self.host == _ANY_HOST else f" from host {self.host}"
        return (
            f"{self.principal} {self.permission} {self.operation} on {self.resource} "
            f"{self.name} ({self.pattern}){whence}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDiff:
    """How a cluster's entries differ from what the region grants; each ascending."""

    missing: tuple[AccessEntry, ...]
    surplus: tuple[AccessEntry, ...]
    nameless: tuple[AccessEntry, ...]
    """Surplus of a kind that the client library has no words for; only kafka-acls removes it."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left that the bus can mend."""
        return not (self.missing or self.surplus)


def access_diff(
    rights: Iterable[Right], found: Iterable[AccessEntry], super_users: frozenset[str]
) -> AccessDiff:
    """Compare what should be with what is.

    Args:
        rights: Of the region, on the day.
        found: All entries of the cluster.
        super_users: Names without `User:`; their entries mean nothing and are left alone.

    Raises:
        DocumentError: A system is named like a super user: no right could limit it.
    """
    wanted = {AccessEntry.of(right) for right in rights}
    untouched = {f"{_USER}{name}" for name in super_users}
    unlimited = sorted({entry.principal for entry in wanted} & untouched)
    if unlimited:
        raise DocumentError(
            message("error.access.unlimited_systems"),
            [
                finding_at(f"system {principal.removeprefix(_USER)}", "error.access.super_user")
                for principal in unlimited
            ],
        )
    managed = {entry for entry in found if entry.principal not in untouched}
    surplus = sorted(managed - wanted)
    return AccessDiff(
        missing=tuple(sorted(wanted - managed)),
        surplus=tuple(entry for entry in surplus if entry.is_removable),
        nameless=tuple(entry for entry in surplus if not entry.is_removable),
    )


def read_access(admin: Administration) -> frozenset[AccessEntry]:
    """Read every access control entry of the cluster.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: The administrator may not see them, or the cluster has no authorizer.
    """
    answer = admin.client.describe_acls(_EVERYTHING, request_timeout=REQUEST_TIMEOUT_S)
    return frozenset(map(_entry, settled(answer, message("doing.access.reading_rights"))))


def find_drift(admin: Administration, rights: frozenset[Right]) -> AccessDiff:
    """Compare the cluster with what should be, and change nothing.

    Raises:
        Unavailable: Kafka does not answer.
        DocumentError: Kafka refuses, or a system is named like a super user.
    """
    return access_diff(rights, read_access(admin), admin.super_users)


def reconcile(
    admin: Administration, rights: frozenset[Right], announce: Callable[[AccessDiff], None]
) -> AccessDiff:
    """Take away what is not granted, then grant what is missing, and see it in effect.

    Why in this order: if it stops half-way, somebody has too little for a while, nobody too much.

    Args:
        admin: Of a user that may administer rights.
        rights: That should hold.
        announce: Puts the changes on record; told them before they are made, where there are any.

    Returns: What was changed; empty when the cluster was right already.

    Raises:
        Unavailable: Kafka does not answer, or the changes do not take effect in time.
        DocumentError: Kafka refuses, or a system is named like a super user.
    """
    diff = find_drift(admin, rights)
    if not diff.is_empty:
        announce(diff)
    for start in range(0, len(diff.surplus), _ENTRIES_PER_REQUEST):
        _remove(admin, diff.surplus[start : start + _ENTRIES_PER_REQUEST])
    for start in range(0, len(diff.missing), _ENTRIES_PER_REQUEST):
        _create(admin, diff.missing[start : start + _ENTRIES_PER_REQUEST])
    if not diff.is_empty:
        wait_for_effect(
            lambda: _left(find_drift(admin, rights)),
            lambda left, wait_s: message(
                "error.access.rights_without_effect",
                count=len(left),
                wait_s=wait_s,
                first=left[0],
            ),
        )
    return diff


def _remove(admin: Administration, entries: Sequence[AccessEntry]) -> None:
    filters = {entry: _named(entry, AclBindingFilter) for entry in entries}
    answers = admin.client.delete_acls(list(filters.values()), request_timeout=REQUEST_TIMEOUT_S)
    for entry, filter_ in filters.items():
        settled(answers[filter_], message("doing.access.taking_away", right=entry))


def _create(admin: Administration, entries: Sequence[AccessEntry]) -> None:
    bindings = {entry: _named(entry, AclBinding) for entry in entries}
    answers = admin.client.create_acls(list(bindings.values()), request_timeout=REQUEST_TIMEOUT_S)
    for entry, binding in bindings.items():
        settled(answers[binding], message("doing.access.granting", right=entry))


def _left(diff: AccessDiff) -> Sequence[AccessEntry]:
    return (*diff.surplus, *diff.missing)


def _entry(binding: AclBinding) -> AccessEntry:
    kind = ResourceType(binding.restype)
    return AccessEntry(
        principal=binding.principal,
        permission=AclPermissionType(binding.permission_type).name.lower(),
        operation=AclOperation(binding.operation).name.lower(),
        # Why: the library calls by the name `broker` what Kafka calls the cluster.
        resource=_CLUSTER if kind is ResourceType.BROKER else kind.name.lower(),
        pattern=ResourcePatternType(binding.resource_pattern_type).name.lower(),
        name=binding.name,
        host=binding.host,
    )


def _named(entry: AccessEntry, kind: type[BindingT]) -> BindingT:
    """Say an entry in the library's words."""
    resource = "broker" if entry.resource == _CLUSTER else entry.resource
    return kind(
        restype=ResourceType[resource.upper()],
        name=entry.name,
        resource_pattern_type=ResourcePatternType[entry.pattern.upper()],
        principal=entry.principal,
        host=entry.host,
        operation=AclOperation[entry.operation.upper()],
        permission_type=AclPermissionType[entry.permission.upper()],
    )
