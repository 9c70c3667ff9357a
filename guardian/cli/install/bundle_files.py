"""What is in a bundle: guardian's own files, what they need, and the manifest that says how a client starts them.

The form is that of MCP bundles (https://github.com/modelcontextprotocol/mcpb), manifest version 0.4, server type `uv`:
of the types it is the one that runs on each system, since packages with compiled parts are fetched for the system at
hand.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Final

from guardian.domain.codes import TOOLS
from guardian.home.folder import EXAMPLE_POLICY, READY_MADE, ready_made_policy

_PACKAGE: Final = "guardian-mcp"
_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest that a zip can have: the same files make the same bytes."""
_FILE_MODE: Final = 0o100644 << 16
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_MANIFEST_VERSION: Final = "0.4"
_START: Final = '''"""Starts guardian's MCP server from the folder that this file is in."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# What the user has left empty arrives as the placeholder itself.
if os.environ.get("GUARDIAN_HOME", "").startswith("${"):
    del os.environ["GUARDIAN_HOME"]
sys.argv[1:] = ["serve"]

from guardian.__main__ import main

sys.exit(main())
'''


def bundle() -> bytes:
    """Returns the bundle as bytes: a zip, the same for the same files and packages."""
    made = {
        "manifest.json": json.dumps(manifest(), indent=2) + "\n",
        "pyproject.toml": project_file(),
        "server.py": _START,
    }
    content = {name: text.encode("utf-8") for name, text in made.items()} | dict(_package_files())
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on every system
            entry.external_attr = _FILE_MODE
            archive.writestr(entry, content[name])
    return buffer.getvalue()


def manifest() -> dict[str, object]:
    """Returns the manifest."""
    package = distribution(_PACKAGE)
    return {
        "manifest_version": _MANIFEST_VERSION,
        "name": "guardian",
        "display_name": "Guardian for Binance",
        "version": package.version,
        "description": package.metadata["Summary"],
        "long_description": "Every order is held against a policy that you write, and waits for your yes. Keys stay in "
        "the keyring of your system. It begins on the Binance testnet, with play money.",
        "author": {"name": "The guardian authors"},
        "license": "MIT",
        "keywords": ["binance", "trading", "policy"],
        "server": {
            "type": "uv",
            "entry_point": "server.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "python", "-I", "server.py"],
                "env": {"GUARDIAN_HOME": "${user_config.home}"},
            },
        },
        "tools": [{"name": name} for name in sorted(TOOLS)],
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": package.metadata["Requires-Python"]},
        },
        "user_config": {
            "home": {
                "type": "directory",
                "title": "Guardian's home",
                "description": "The folder with your policy and the log. Leave it empty for the usual one, which "
                "`guardian` in a terminal uses too.",
                "required": False,
            }
        },
    }


def project_file() -> str:
    """Returns the `pyproject.toml` by which `uv` installs guardian: what it requires, in the versions that are here."""
    package = distribution(_PACKAGE)
    requires = sorted(one for one in package.requires or [] if not _EXTRA.search(one))
    pinned = sorted(f"{name}=={version}" for name, version in _installed(package).items())
    return "\n".join(
        [
            "[build-system]",
            'requires = ["hatchling>=1.25,<2"]',
            'build-backend = "hatchling.build"',
            "",
            "[project]",
            f"name = {json.dumps(_PACKAGE)}",
            f"version = {json.dumps(package.version)}",
            f"requires-python = {json.dumps(package.metadata['Requires-Python'])}",
            f"dependencies = {json.dumps(requires, indent=4)}",
            "",
            "[project.scripts]",
            'guardian = "guardian.__main__:main"',
            "",
            "[tool.hatch.build.targets.wheel]",
            'packages = ["guardian"]',
            "",
            "[tool.uv]",
            f"constraint-dependencies = {json.dumps(pinned, indent=4)}",
            "",
        ]
    )


def _package_files() -> Iterator[tuple[str, bytes]]:
    """The files of the package, with the ready-made policies where an installed package has them."""
    root = Path(str(files("guardian")))
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        left_out = "__pycache__" in place.parts or place.parts[0] == "ready_made" or path.suffix == ".md"
        if path.is_file() and not left_out:
            yield f"guardian/{place.as_posix()}", path.read_bytes()
    for name in (*READY_MADE, EXAMPLE_POLICY):
        yield f"guardian/ready_made/{name}.toml", ready_made_policy(name).read_bytes()


def _installed(package: Distribution) -> dict[str, str]:
    """The name and version of each package that this one needs, directly or not, and that is installed."""
    found: dict[str, str] = {}
    waiting = [(package, frozenset[str]())]
    seen = {(_normal(package.metadata["Name"]), frozenset[str]())}
    while waiting:
        current, extras = waiting.pop()
        for requirement in current.requires or []:
            of_extra = _EXTRA.search(requirement)
            match = _REQUIREMENT.match(requirement)
            if match is None or (of_extra is not None and of_extra[1] not in extras):
                continue
            key = (_normal(match[1]), frozenset(filter(None, re.split(r"[\s,]+", match[2] or ""))))
            if key in seen:
                continue
            seen.add(key)
            try:
                needed = distribution(match[1])
            except PackageNotFoundError:  # for another system
                continue
            found[key[0]] = needed.version
            waiting.append((needed, key[1]))
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
