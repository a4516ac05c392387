"""The first line of a command's help, read from its source text without importing it."""

import ast
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path


def summary_of(entry: EntryPoint) -> str:
    """Return the first line of the help of the function that `entry` names, or "" if there is none."""
    file = _source(entry.module)
    if file is None:
        return ""
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == entry.attr:
            lines = (ast.get_docstring(node) or "").strip().splitlines()
            return lines[0].rstrip(".") if lines else ""
    return ""


def _source(module: str) -> Path | None:
    """Return the source file of a module; only its top package is looked up, and nothing is imported."""
    top, *rest = module.split(".")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        return None
    base = Path(next(iter(spec.submodule_search_locations)), *rest)
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.exists():
            return file
    return None
