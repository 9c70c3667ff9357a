"""Documented samples of replies: the tests' own fixtures, and the ones that others keep."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.fixtures import RECORDINGS, fixture, read, recording

GROUPS = ("account", "futures", "market", "orders", "wallet")
SUFFIX, OPTIONAL = "_success", "_success_with_optional_params"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One documented reply, which request it is the reply to, and the parameters that the request may have."""

    method: str
    path: str
    parameters: tuple[str, ...]
    reply: Any


def documented() -> dict[str, Sample]:
    """The fixtures by name: those of endpoints that the paper exchange has."""
    return {
        name: Sample(method=row["method"], path=row["path"], parameters=tuple(row["parameters"]), reply=row["reply"])
        for group in GROUPS
        for name, row in fixture(f"documented/{group}").items()
    }


def _exchange_spelling(name: str) -> str:
    """The SDK's name of a parameter in the exchange's spelling."""
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def documented_by_others() -> dict[str, Sample]:
    """All that is documented, by the official SDK's samples and by the documentation's, under the fixtures' names."""
    found: dict[str, Sample] = {}
    for file in sorted((RECORDINGS / "sdk_samples").glob("*.json")):
        row: Mapping[str, Any] = read(file)
        name = file.stem.removesuffix(OPTIONAL).removesuffix(SUFFIX)
        # The SDK's two files of one endpoint have the same reply; only the second one has the optional parameters,
        # and where a value is an enum of the SDK's the whole was kept as Python text.
        params = row["params"] if file.stem.endswith(OPTIONAL) else {}
        names = list(params) if isinstance(params, dict) else re.findall(r"'(\w+)':", params or "")
        assert name not in found or found[name].reply == row["response"]
        found[name] = Sample(
            method=row["method"],
            path=row["path"],
            parameters=tuple(map(_exchange_spelling, names)),
            reply=row["response"],
        )
    for section in recording("docs_samples/spot_rest_api_samples_2026-07-21.json").values():
        method, path = section["endpoint"].split(" ")
        for index, reply in enumerate(section["samples"]):
            found[f"{method} {path} {index}"] = Sample(method=method, path=path, parameters=(), reply=reply)
    return found
