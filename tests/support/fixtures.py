"""The fixtures that come with the tests, and the recordings of others that a machine may have beside the repository."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
"""Recorded and documented data of others, which is not part of the repository."""


def read(path: Path) -> Any:
    """The JSON in a file, which may be packed with gzip."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def fixture(name: str) -> Any:
    """A fixture of the tests' own, by its path in `tests/fixtures` without `.json`."""
    return read(FIXTURES / f"{name}.json")


def recording(name: str) -> Any:
    """A recording of others, by its path; only tests marked `recorded` call it."""
    return read(RECORDINGS / name)


LISTINGS = [
    "asymmetric",
    "older_filters",
    "many",
    *(
        pytest.param(name, marks=pytest.mark.recorded)
        for name in (
            "binanceus_BTCUSD_2026-09-04.json",
            "spot_mainnet_TSLABUSDT_2026-09.json",
            "spot_testnet_2021-04-02.json",
            "spot_mainnet_2021-10-11_full.json.gz",
        )
    ),
]
"""Answers to exchangeInfo, as parameters of a test: the fixtures, and those that others recorded."""


def listing(name: str) -> Any:
    """One of the `LISTINGS`."""
    found = recording(f"exchange_info/{name}") if ".json" in name else fixture(f"exchange_info/{name}")
    return found if "symbols" in found else {"symbols": [found]}
