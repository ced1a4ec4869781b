"""What every address of the API has in common, written into its OpenAPI description."""

from typing import Any

WHOLE_SECONDS = {"schema": {"type": "integer"}}
TOO_MANY = {
    "description": "The token sent too much. Nothing was saved; the same request passes after `Retry-After` seconds.",
    "headers": {"Retry-After": {**WHOLE_SECONDS, "description": "Whole seconds to wait."}},
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
VERBS = frozenset({"get", "post", "put", "patch", "delete"})


def describe_limits(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Say of every operation that it may answer 429."""
    for operations in result["paths"].values():
        for verb in VERBS & set(operations):
            operations[verb]["responses"]["429"] = TOO_MANY
    return result
