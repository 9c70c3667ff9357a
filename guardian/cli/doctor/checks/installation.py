"""Versions of guardian, Python and the libraries, and the environment that this process was started with."""

from __future__ import annotations

import platform
import re
import sqlite3
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Final

from guardian import __version__
from guardian.cli.doctor.examined import Examined
from guardian.cli.doctor.findings import Finding, ok, problem, unclear, warning
from guardian.store.schema.sqlite_errors import NEWER_SQLITE_HINT, why_too_old
from guardian.system.typed_command import NAME, typed_command

_PACKAGE: Final = "guardian-mcp"
_REQUIREMENT: Final = re.compile(r"[A-Za-z0-9._-]+")
_PROXIES: Final = frozenset({"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"})
_AUTHORITIES: Final = frozenset({"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"})


def versions() -> dict[str, str | None]:
    """Returns the version of everything that guardian runs on, by name; None for what is missing."""
    found: dict[str, str | None] = {
        "guardian": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    for name in libraries():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def libraries() -> list[str]:
    """Returns the names of the libraries that guardian needs. Raises PackageNotFoundError where it is not installed."""
    wanted = (line for line in requires(_PACKAGE) or () if "extra ==" not in line)
    return [match[0] for line in wanted if (match := _REQUIREMENT.match(line)) is not None]


def check_versions(_examined: Examined) -> Iterator[Finding]:
    """Guardian, Python, SQLite and the libraries are there, and SQLite is new enough."""
    too_old = why_too_old()
    if too_old is not None:
        yield problem("versions.sqlite", f"{too_old}: no order can be placed", NEWER_SQLITE_HINT)
    try:
        found = versions()
    except PackageNotFoundError:
        yield unclear("versions", f"guardian {__version__} is not installed as a package", "`pip install guardian-mcp`")
        return
    missing = [name for name, number in found.items() if number is None]
    if missing:
        remedy = f"`{sys.executable} -m pip install {' '.join(missing)}`"
        yield problem("versions", f"libraries are missing: {', '.join(missing)}", remedy)
        return
    yield ok(
        "versions",
        f"guardian {found['guardian']}, Python {found['python']}, SQLite {found['sqlite']}, "
        f"{len(libraries())} libraries, on {found['system']}",
    )
    typed = typed_command()
    yield ok("command", "`guardian` can be typed" if typed == NAME else f"is typed as `{typed}` here")


def check_variables(examined: Examined) -> Iterator[Finding]:
    """No variable holds a secret, and none that other programs follow makes a person expect what guardian does not."""
    if examined.secret_variables:
        names = ", ".join(examined.secret_variables)
        yield problem(
            "environment",
            f"variables hold a secret, which every program can read: {names}; `guardian serve` does not start so",
            "take them out of the client's entry or the shell's start file, and `guardian keys add testnet`",
        )
    proxies, authorities = (
        sorted(examined.removed_variables & _PROXIES),
        sorted(examined.removed_variables & _AUTHORITIES),
    )
    if proxies:
        yield warning(
            "environment.proxy",
            f"{', '.join(proxies)} in the environment: guardian goes through no proxy, but directly",
        )
    if authorities:
        yield warning(
            "environment.authorities",
            f"{', '.join(authorities)} in the environment: guardian believes Mozilla's authorities alone",
        )
    if not examined.secret_variables:
        yield ok("environment", f"{len(examined.removed_variables)} variables that guardian does not know are ignored")
