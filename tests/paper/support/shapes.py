"""What is where in a JSON reply, and how two replies differ."""

from __future__ import annotations

Shape = dict[str, set[str]]
"""The JSON types that were seen at each path; `[]` stands for any element of a list."""


def kind(value: object) -> str:
    """The JSON type, whole numbers apart from others."""
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}
    return names.get(type(value), "null")


def shape(value: object, where: str = "$") -> Shape:
    """What is where in a reply; what differs from element to element of a list is put together."""
    found: Shape = {where: {kind(value)}}
    inner: list[tuple[str, object]] = []
    if isinstance(value, dict):
        inner = [(f"{where}.{name}", one) for name, one in value.items()]
    elif isinstance(value, list):
        # A row of unlike things, as a candlestick is, is told by position.
        is_row = len({kind(one) for one in value}) > 1
        inner = [(f"{where}[{index if is_row else ''}]", one) for index, one in enumerate(value)]
    for path, one in inner:
        for place, kinds in shape(one, path).items():
            found.setdefault(place, set()).update(kinds)
    return found


def parent(path: str) -> str:
    """The path of what holds this one."""
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut]


def compare(sample: object, reply: object) -> tuple[set[str], set[str], list[str]]:
    """The paths that only the sample has, those that only the reply has, and where the types are others."""
    theirs, ours = shape(sample), shape(reply)
    silent = {path for path in theirs if not any(parent(other) == path for other in theirs)}
    # An empty list or object of a sample says nothing of what may be in it.
    extra = {path for path in ours.keys() - theirs.keys() if parent(path) not in silent and parent(path) in theirs}
    missing = {path for path in theirs.keys() - ours.keys() if parent(path) in ours}
    wrong = [
        f"{path}: {sorted(ours[path])} instead of {sorted(theirs[path])}"
        for path in sorted(theirs.keys() & ours.keys())
        if not ours[path] <= theirs[path]
    ]
    return missing, extra, wrong
