"""What the site has besides docs/: a hook of MkDocs (mkdocs.yml).

README.md is its first page, and CHANGELOG.md, CONTRIBUTING.md and SECURITY.md are pages as well. An
entry of the navigation that ends with a slash stands for the pages of that folder which it does not
name elsewhere. Links to files that are no pages go to the repository, where its address is known.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = "docs"
PAGES: Final = {
    "README.md": "index.md",
    **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")},
}
"""Files of the root that are pages, by the page's name."""
LINK: Final = re.compile(
    r"(?P<before>\[(?P<text>[^\]]*)\]\()(?P<target>[^)#\s]+)(?P<after>[^)]*\))"
)
SOURCE: Final = re.compile(r"""(?P<before>(?:src|srcset)=")(?P<target>[^"]+)(?P<after>")""")
CONSTRUCT: Final = re.compile(r"^from (\S+) import (\([^)]+\)|[^(\n]+)$", re.MULTILINE)
STACKS: Final = "constructs_lib.stacks."


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder in the place of its name."""
    named = set(_strings(config.nav))
    config.nav = [_expanded(entry, named) for entry in config.nav or []]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text("utf-8")))
    files.append(File.generated(config, "reference/constructs.md", content=_constructs()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to where the site has them."""
    roots = {path: name for name, path in PAGES.items()}
    source = roots.get(page.file.src_uri, f"{DOCS}/{page.file.src_uri}")
    folder = posixpath.dirname(page.file.src_uri)

    def moved(found: re.Match[str]) -> str:
        target = found["target"]
        if re.match(r"[a-z]+:|//", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        there = PAGES.get(path, path.removeprefix(f"{DOCS}/"))
        if path.startswith(f"{DOCS}/") and (ROOT / path).is_dir():
            there = _pages(there)[0]  # a folder is where its first page is
        if (path in PAGES or path.startswith(f"{DOCS}/")) and files.get_file_from_path(there):
            return found["before"] + posixpath.relpath(there, folder or ".") + found["after"]
        if config.repo_url:
            return f"{found['before']}{config.repo_url}/blob/main/{path}{found['after']}"
        return f"{found['text']} (`{path}`)" if "text" in found.groupdict() else found[0]

    # Raw HTML is not looked at by MkDocs: a page lies one folder deeper than its file.
    deeper = "" if page.file.name in ("index", "README") else "../"
    markdown = SOURCE.sub(
        lambda f: f["before"] + deeper + _asset(f["target"]) + f["after"], markdown
    )
    return LINK.sub(moved, markdown)


def _asset(target: str) -> str:
    return target.removeprefix(f"{DOCS}/")


def _strings(entry: Any) -> Iterator[str]:
    """Yield every page that the navigation names."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _strings(value)
    else:
        for value in entry or ():
            yield from _strings(value)


def _expanded(entry: Any, named: set[str]) -> Any:
    if isinstance(entry, dict):
        return {name: _expanded(value, named) for name, value in entry.items()}
    if isinstance(entry, list):
        return [_expanded(value, named) for value in entry]
    if not entry.endswith("/"):
        return entry
    return [page for page in _pages(entry) if page not in named]


def _pages(folder: str) -> list[str]:
    """Return the pages of a folder of docs/, its README first."""
    pages = (ROOT / DOCS / folder).glob("*.md")
    found = [path.relative_to(ROOT / DOCS).as_posix() for path in pages]
    return sorted(found, key=lambda page: ("README" not in page, page))


def _constructs() -> str:
    """Return a page that mkdocstrings fills: each construct with its parameters and properties."""
    stub = (ROOT / "constructs_lib" / "__init__.pyi").read_text("utf-8")
    lines = ["# Properties of constructs", "Written from the docstrings of `constructs_lib`."]
    for module, names in CONSTRUCT.findall(stub):
        if module.startswith("constructs_lib.") and not module.startswith(STACKS):
            exported = re.findall(r"(\w+) as \w+", names)
            lines += [f"::: {module}.{name}" for name in exported]
    return "\n\n".join(lines)
