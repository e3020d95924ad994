"""What all value types have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def fields_of(value: DataclassInstance) -> dict[str, Any]:
    """The fields of a value by name, one level deep: what a row or a schema of the same names is made of."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
