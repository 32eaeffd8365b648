"""Defines the base class of all parts of a configuration, and the ranges that several of them use."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of a configuration: refuses unknown keys, cannot be changed, and can be the key of a cache.

    Two sections are equal when all their values are. The order of a mapping counts, because the order of
    `labels.classes` is the order of the columns of every probability array.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    omitted_at_default: ClassVar[tuple[str, ...]] = ()
    """Keys that dumps omit at their default, so that records made before the key existed stay valid."""

    @model_serializer(mode="wrap")
    def _omit_defaults(self, dump: SerializerFunctionWrapHandler) -> dict[str, object]:
        values = dump(self)
        for name in self.omitted_at_default:
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and _hashable(self) == _hashable(other)

    def __hash__(self) -> int:
        # pydantic's own hash fails on lists and mappings.
        return hash((type(self), _hashable(self)))


def _hashable(value: object) -> object:
    """Turns lists, mappings and sections into nested tuples; a mapping keeps its order."""
    if isinstance(value, Section):
        return tuple(_hashable(getattr(value, name)) for name in type(value).model_fields)
    if isinstance(value, Mapping):
        return tuple((key, _hashable(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return tuple(_hashable(item) for item in value)
    return value
