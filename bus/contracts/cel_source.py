"""Compile rules of kind `cel` against a schema, and write the Python that evaluates them.

Each expression is compiled twice. The first time names have their exact types, a nullable field
its nullable type: this is the type check. The second time, for records, nullable fields are of
dynamic type, for the library takes a null from Python in no other way. It takes a moment from
Python only where a moment is declared; a nullable one is handed over as a list of at most one,
and put under its name inside the expression.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from bus.contracts.cel_syntax import APPENDED_AT, expression_fault, paths_read
from bus.contracts.rule_fields import FieldValue, follow
from bus.contracts.rules import CelRule
from bus.contracts.schema_shape import (
    BinaryShape,
    BooleanShape,
    EnumShape,
    FloatShape,
    IntegerShape,
    RecordShape,
    Resolution,
    Shape,
    TextShape,
    field_paths,
)
from bus.contracts.source_writer import SourceWriter
from bus.errors import Words
from bus.texts import message

if TYPE_CHECKING:
    from cel_expr_python import cel

_NULLABLE: Final = {  # type in CEL → its nullable type
    "INT": "google.protobuf.Int64Value",
    "DOUBLE": "google.protobuf.DoubleValue",
    "STRING": "google.protobuf.StringValue",
    "BOOL": "google.protobuf.BoolValue",
    "BYTES": "google.protobuf.BytesValue",
    "TIMESTAMP": "google.protobuf.Timestamp",
}
_SAMPLES: Final[tuple[Mapping[str, object], ...]] = (  # values to try an expression with
    {
        "INT": 0,
        "DOUBLE": 0.0,
        "STRING": "",
        "BOOL": False,
        "BYTES": b"",
        "TIMESTAMP": datetime(1970, 1, 1, tzinfo=UTC),
    },
    {
        "INT": 9,
        "DOUBLE": 9.5,
        "STRING": "9",
        "BOOL": True,
        "BYTES": b"9",
        "TIMESTAMP": datetime(2999, 1, 1, tzinfo=UTC),
    },
)
_DIGITS_MAX: Final = 18
"""A decimal's digits without its point fit CEL's 64-bit int."""
_NULL_FAULT: Final = "No matching overloads"
"""In the library's message when a checked expression meets a null that it doesn't provide for."""
_PER_UNIT: Final = {
    Resolution.DAY: "days",
    Resolution.MILLISECOND: "milliseconds",
    Resolution.MICROSECOND: "microseconds",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CelFault:
    """Why an expression can't be a rule of this schema."""

    found: Words
    expected: Words


def _fault(case: str, **values: object) -> CelFault:
    return CelFault(
        found=message(f"error.cel.{case}.found", **values),
        expected=message(f"error.cel.{case}.expected", **values),
    )


class CelSource:
    """Turns expressions into conditions; all of a record's expressions share its values."""

    def __init__(self, writer: SourceWriter, record: RecordShape) -> None:
        """Prepare to write; nothing is loaded until there is an expression."""
        self._writer = writer
        self._record = record
        self._read: dict[str, FieldValue] = {}
        self._expressions: list[str] = []

    def condition(self, rule: CelRule, fields: Sequence[FieldValue]) -> str | CelFault:
        """Write the condition that is true where the record doesn't meet the expression."""
        read = paths_read(rule.expression)
        for field in fields:
            if field.path in read and field.path not in self._types:
                return _fault("unreadable_field", path=field.path, shape=_described(field))
        try:
            checked = self._checking.compile(rule.expression)
            evaluated = self._evaluating.compile(self._with_moments(rule, fields))
        except RuntimeError as error:
            fault = expression_fault(error)
            return _fault("does_not_fit", expression=rule.expression, fault=fault)
        if checked.return_type().name() != "BOOL":
            type_ = checked.return_type().name()
            return _fault("not_a_condition", expression=rule.expression, type=type_)
        nulls = self._nulls_unprovided(evaluated, fields)
        if nulls:
            names = ", ".join(nulls)
            return _fault("null_not_provided", expression=rule.expression, names=names)
        self._read.update((field.path, field) for field in fields if field.path in self._types)
        self._expressions.append(rule.expression)
        holds = self._writer.constant("holds", _holds(evaluated))
        return f"not {holds}(activation)"

    def write_values(self) -> None:
        """Write the line that hands the record's values over, if an expression needs them."""
        if not self._expressions:
            return
        activation = self._writer.constant("ACTIVATION", self._evaluating.Activation)
        values = [f'"{_handed(field)}": {_value(field)}' for field in self._read.values()]
        if any(APPENDED_AT in expression for expression in self._expressions):
            values.append(f'"{APPENDED_AT}": EPOCH + timedelta(milliseconds=append_time_ms)')
        self._writer.line(f"activation = {activation}({{{', '.join(values)}}})")

    @cached_property
    def _types(self) -> Mapping[str, tuple[FieldValue, str]]:
        """Each path that expressions may read, with its type in CEL."""
        found = {}
        for path in sorted(field_paths(self._record)):
            followed = follow(self._record, path)
            assert followed is not None
            field = FieldValue(path=path, shape=followed[0], is_nullable=followed[1], local="")
            type_ = None if path == APPENDED_AT or _is_hidden(field) else _type(field.shape)
            if type_ is not None:
                found[path] = (field, type_)
        return found

    @cached_property
    def _checking(self) -> cel.Env:
        from cel_expr_python import cel  # noqa: PLC0415 - only where there are expressions

        variables = {
            path: cel.Type(_NULLABLE[type_]) if field.is_nullable else getattr(cel.Type, type_)
            for path, (field, type_) in self._types.items()
        }
        return cel.NewEnv(variables={**variables, APPENDED_AT: cel.Type.TIMESTAMP})

    @cached_property
    def _evaluating(self) -> cel.Env:
        from cel_expr_python import cel  # noqa: PLC0415 - only where there are expressions
        from cel_expr_python.ext import ext_bindings  # noqa: PLC0415

        variables = {APPENDED_AT: cel.Type.TIMESTAMP}
        for field, type_ in self._types.values():
            known = getattr(cel.Type, type_)
            if field.is_nullable:
                known = cel.Type.List(known) if _is_moment(field) else cel.Type.DYN
            variables[_handed(field)] = known
        return cel.NewEnv(variables=variables, extensions=[ext_bindings.ExtBindings()])

    def _with_moments(self, rule: CelRule, fields: Sequence[FieldValue]) -> str:
        expression = rule.expression
        for field in fields:
            if _is_moment(field) and field.is_nullable and field.path in self._types:
                handed = _handed(field)
                given = f"{handed}.size() == 0 ? dyn(null) : dyn({handed}[0])"
                # Why a line of its own: the expression may end in a comment.
                expression = f"cel.bind({field.path}, {given}, {expression}\n)"
        return expression

    def _nulls_unprovided(
        self, expression: cel.Expression, fields: Sequence[FieldValue]
    ) -> tuple[str, ...]:
        """Find fields whose null the expression doesn't provide for, as far as trials show it."""
        known = [field for field in fields if field.path in self._types]
        nullable = tuple(field.path for field in known if field.is_nullable)
        for nulls in [*((path,) for path in nullable), nullable]:
            for samples in _SAMPLES:
                try:
                    outcome = expression.eval(self._trial(known, nulls, samples)).value()
                except RuntimeError:
                    continue
                if _NULL_FAULT in str(outcome):
                    return nulls
        return ()

    def _trial(
        self, fields: Sequence[FieldValue], nulls: Sequence[str], samples: Mapping[str, object]
    ) -> cel.Activation:
        values: dict[str, object] = {APPENDED_AT: samples["TIMESTAMP"]}
        for field in fields:
            value = None if field.path in nulls else samples[self._types[field.path][1]]
            if _is_moment(field) and field.is_nullable:
                values[_handed(field)] = [] if value is None else [value]
            else:
                values[_handed(field)] = value
        return self._evaluating.Activation(values)


def _holds(expression: cel.Expression) -> Callable[[Any], bool]:
    """Make the function that tells whether an expression is true of a record's values.

    What can't be evaluated (a null not provided for, a number out of range, a division by zero, a
    budget of iterations that is spent) is not true.
    """
    evaluate = expression.eval

    def holds(activation: Any) -> bool:  # noqa: ANN401 - the library's
        try:
            return evaluate(activation).value() is True
        except Exception:  # noqa: BLE001 - no record may stop a worker
            return False

    return holds


def _type(shape: Shape) -> str | None:
    """Tell what a field is in CEL; None: expressions can't read it."""
    match shape:
        case TextShape() | EnumShape():
            return "STRING"
        case BooleanShape():
            return "BOOL"
        case FloatShape():
            return "DOUBLE"
        case BinaryShape(decimal=None):
            return "BYTES"
        case BinaryShape(decimal=decimal) if decimal is not None:
            return "INT" if decimal.precision <= _DIGITS_MAX else None
        case IntegerShape(resolution=None):
            return "INT"
        case IntegerShape(resolution=resolution, is_local=False) if resolution in _PER_UNIT:
            return "TIMESTAMP"
        case _:
            return None


def _is_moment(field: FieldValue) -> bool:
    return _type(field.shape) == "TIMESTAMP"


def _is_hidden(field: FieldValue) -> bool:
    """Tell whether it is a nullable moment inside a record: its name can't be bound."""
    return "." in field.path and field.is_nullable and _is_moment(field)


def _handed(field: FieldValue) -> str:
    """Name the variable under which a field's value is handed over."""
    return f"given__{field.path}" if _is_moment(field) and field.is_nullable else field.path


def _value(field: FieldValue) -> str:
    """Write the value as the library takes it."""
    if not isinstance(field.shape, IntegerShape) or field.shape.resolution is None:
        return field.local
    moment = f"EPOCH + timedelta({_PER_UNIT[field.shape.resolution]}={field.local})"
    return f"[] if {field.local} is None else [{moment}]" if field.is_nullable else moment


def _described(field: FieldValue) -> str:
    null = " or null" if field.is_nullable else ""
    inside = ", a moment inside a record" if _is_hidden(field) else ""
    return f"{type(field.shape).__name__}{null}{inside}"
