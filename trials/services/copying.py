"""Copying rows of a design into another trial: for rehearsals and for the laboratories' sandboxes."""

from typing import Any, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model)


def values_of(row: models.Model, **changed: Any) -> dict[str, Any]:
    """Return what a row says, but for its key and what is named; what the database computes itself is left out."""
    fields = [
        field
        for field in row._meta.concrete_fields
        if not (field.primary_key or field.generated or field.name in changed)
    ]
    return {field.attname: getattr(row, field.attname) for field in fields} | changed


def copied(row: Row, **changed: Any) -> Row:
    """Store and return a row with the same values, but for those that are named."""
    return type(row)._default_manager.create(**values_of(row, **changed))
