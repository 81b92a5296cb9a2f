"""Prints docs/python-reference.md: what the package's docstrings say, in the order of its `__all__`."""

import ast
import inspect
import re
import textwrap
import typing
from pathlib import Path

import dunnage

HEAD = """\
# The Python module: reference

Written by `cargo xtask gen` from the docstrings; [python.md](python.md) shows what to do with it.
"""


def markdown(docstring):
    """The few marks that the docstrings use, and their examples as code."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(docstring)).replace("``", "`")
    blocks = [
        f"```python\n{block}\n```" if block.startswith(">>>") else block for block in re.split(r"\n\n+", text)
    ]
    return "\n\n".join(blocks)


def written_beside(module):
    """The docstring that follows each assignment, by class and name ('' outside of classes)."""
    found = {}
    tree = ast.parse(Path(module.__file__).read_text())
    scopes = [("", tree.body), *[(node.name, node.body) for node in tree.body if isinstance(node, ast.ClassDef)]]
    for scope, body in scopes:
        for node, after in zip(body, body[1:]):
            names = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if names and is_text and isinstance(names[0], ast.Name):
                found[scope, names[0].id] = inspect.cleandoc(after.value.value)
    return found


def shown(annotation):
    """A type as a person writes it."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(dunnage|typing|collections|abc)(\.\w+)*\.(?=\w)", "", text)
    return text.replace("NoneType", "None")


def signature(function):
    found = inspect.signature(function)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in found.parameters.values()
    ]
    bare = inspect.Signature(parameters)
    if found.return_annotation is inspect.Signature.empty:
        return str(bare)
    return f"{bare} -> {shown(found.return_annotation)}"


def entries(name, kind):
    """One heading and its text."""
    if inspect.isclass(kind):
        yield f"### `{name}`\n"
        yield markdown(kind.__doc__ or "")
        fields = getattr(kind, "_fields", ())
        if fields:
            notes = written_beside(inspect.getmodule(kind))
            types = kind.__annotations__
            yield "\n| field | type | |\n|---|---|---|"
            for field in fields:
                note = markdown(notes.get((kind.__name__, field), "")).replace("\n", " ").replace("|", "\\|")
                yield f"| `{field}` | `{shown(types[field])}` | {note} |".replace(" | None`", " \\| None`")
    elif typing.get_origin(kind) is typing.Literal:
        yield f"### `{name}`\n"
        choices = ", ".join(f'`"{choice}"`' for choice in typing.get_args(kind))
        note = written_beside(inspect.getmodule(dunnage.Limits)).get(("", name), "")
        yield f"One of {choices}. {markdown(note)}".strip()
    else:
        prefix = "async " if inspect.iscoroutinefunction(kind) else ""
        yield f"### `{prefix}{name}{signature(kind)}`\n"
        yield markdown(kind.__doc__ or "")
    yield ""


def main():
    functions, types = [], []
    for name in dunnage.__all__:
        kind = getattr(dunnage, name)
        is_function = inspect.isroutine(kind)
        (functions if is_function else types).extend(entries(name, kind))
    print("\n".join([HEAD, "## Functions\n", *functions, "## What they return and take\n", *types]).rstrip())


if __name__ == "__main__":
    main()
