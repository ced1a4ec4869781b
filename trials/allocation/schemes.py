"""The methods side by side: reading any scheme, and what its list holds at each place."""

import json
from collections.abc import Callable, Iterator

from trials.allocation import blocks, minimization, simple

Scheme = blocks.Scheme | simple.Scheme | minimization.Scheme

_READERS: dict[str, Callable[[str], Scheme]] = {
    blocks.METHOD: blocks.Scheme.from_json,
    simple.METHOD: simple.Scheme.from_json,
    minimization.METHOD: minimization.Scheme.from_json,
}


def scheme_from_json(text: str) -> Scheme:
    """Read the canonical JSON of any scheme; `ValueError` for a method or version that is not known."""
    method = json.loads(text).get("method")
    if method not in _READERS:
        raise ValueError(f"there is no method “{method}”")
    return _READERS[method](text)


def method_of(scheme: Scheme) -> str:
    """Return the scheme's method as it is spelt in its JSON."""
    return str(json.loads(scheme.canonical_json())["method"])


def contents(seed: bytes, scheme: Scheme, stratum: str) -> Iterator[str]:
    """Yield what each place of a list holds, without end: an arm's code, or in minimization a draw."""
    if isinstance(scheme, blocks.Scheme):
        return (slot.arm for slot in blocks.permuted_blocks(seed, scheme, stratum))
    if isinstance(scheme, simple.Scheme):
        return simple.simple_list(seed, scheme, stratum)
    return minimization.draws(seed, scheme, stratum)
