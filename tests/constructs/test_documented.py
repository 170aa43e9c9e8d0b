"""Everything that another app can use of the library is documented where it is defined."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted([*(ROOT / "constructs_lib").glob("*.py"), *(ROOT / "stacks").glob("*.py")])


def attributes(node: ast.stmt) -> list[str]:
    """Return the public attributes of an object that a statement assigns."""
    targets = {ast.Assign: "targets", ast.AnnAssign: "target"}.get(type(node))
    if targets is None:
        return []
    found = getattr(node, targets)
    return [
        target.attr
        for listed in (found if isinstance(found, list) else [found])
        for target in (listed.elts if isinstance(listed, ast.Tuple) else [listed])
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
        and not target.attr.startswith("_")
    ]


def is_text(node: ast.stmt | None) -> bool:
    """Whether a statement is a string, as the documentation of the one before it is."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def undocumented(defined: ast.ClassDef) -> Iterator[str]:
    """Yield the public attributes of a class that are documented nowhere in it."""
    assigned: set[str] = set()
    documented: set[str] = set()
    for body in (n.body for n in ast.walk(defined) if hasattr(n, "body") and type(n.body) is list):
        for statement, after in zip(body, [*body[1:], None], strict=True):
            names = set(attributes(statement))
            at_class = body is defined.body and isinstance(statement, ast.AnnAssign)
            if at_class and isinstance(statement.target, ast.Name):
                names = {statement.target.id}
            assigned |= names
            documented |= names if is_text(after) else set()
    yield from sorted(name for name in assigned - documented if not name.startswith("_"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_public_attribute_is_documented(path: Path):
    """Somebody completes `storage.` in an editor, and reads what there is."""
    classes = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]

    assert [f"{c.name}.{name}" for c in classes for name in undocumented(c)] == []
