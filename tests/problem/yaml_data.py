"""The plain data of a problem file, as an editor with YAML 1.2 sees it."""

from __future__ import annotations

from typing import Any

from backprop_cli.diagnostics import Source
from backprop_cli.problem.values import is_number
from backprop_cli.problem.yaml_tree import Entries, Items, Node, compose


def data_of(text: str) -> Any:
    root, problems = compose(Source("data.yaml", text))
    assert not problems
    assert root is not None
    return _plain(root)


def _plain(node: Node) -> Any:
    match node:
        case Entries(_, entries):
            return {key.text: _plain(value) for key, value in entries}
        case Items(_, items):
            return [_plain(item) for item in items]
    if node.null:
        return None
    if is_number(node):
        value = float(node.text)
        return int(value) if value.is_integer() else value
    if node.plain and node.text in ("true", "false"):
        return node.text == "true"
    return node.text
