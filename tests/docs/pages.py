"""Pages of the documentation as what a reader does with them: commands, files, expected output.

A page is plain Markdown. Of its fenced blocks

* `sh` is typed into a terminal; a `text` block that follows directly is what it prints, with `...`
  for what is left out;
* one with a `title="FILE"` is written to that file.

A comment before a block says what differs: `<!-- exit: 1 -->`, `<!-- terminal: 2 -->`,
`<!-- stays up -->` (a command that does not end), `<!-- not run: REASON -->`.

The commands of alarms stand in a line that begins with `- First:`, each in backticks. In other
sentences a command may be a part of one: it has to exist, and is not typed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE: Final = re.compile(
    r"(?P<comments>(?:^<!-- [^\n]* -->\n)*)"
    r"^```(?P<language>\w*)(?P<more>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
COMMENT: Final = re.compile(r"<!-- (?P<name>[\w ]+?)(?:: (?P<value>.*?))? -->")
FIRST: Final = re.compile(r"^- First: .*$", re.MULTILINE)
SPAN: Final = re.compile(r"`([^`\n]+)`")
JOINED: Final = re.compile(r"\\\n|(?<=\|)\n")
TITLE: Final = re.compile(r'title="(?P<file>[^"]+)"')


@dataclass(frozen=True)
class Block:
    """A fenced block, and what the comments before it say."""

    language: str
    text: str
    file: str
    comments: dict[str, str]
    line: int
    start: int
    """Where its text begins in the page."""
    end: int

    @property
    def runs(self) -> bool:
        return self.language == "sh" and "not run" not in self.comments

    @property
    def commands(self) -> list[str]:
        """Its command lines: one that goes on in the next line is one."""
        lines = JOINED.sub(" ", self.text).splitlines() if self.language == "sh" else []
        return [line for line in lines if line.partition("#")[0].strip()]


@dataclass(frozen=True)
class Step:
    """A block that a reader acts on, and the block of what is printed."""

    block: Block
    output: Block | None

    @property
    def status(self) -> int:
        return int(self.block.comments.get("exit", "0"))


class Page:
    """A Markdown file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text()

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @cached_property
    def blocks(self) -> list[Block]:
        return [self._block(found) for found in FENCE.finditer(self.text)]

    def _block(self, found: re.Match[str]) -> Block:
        title = TITLE.search(found["more"])
        return Block(
            language=found["language"],
            text=found["text"],
            file=title["file"] if title else "",
            comments={c["name"]: c["value"] or "" for c in COMMENT.finditer(found["comments"])},
            line=self.text.count("\n", 0, found.start("language")) + 1,
            start=found.start("text"),
            end=found.end("text"),
        )

    @property
    def first_commands(self) -> list[str]:
        """What alarms say to type first."""
        return [span for line in FIRST.findall(self.text) for span in SPAN.findall(line)]

    @property
    def commands(self) -> list[str]:
        """Every command line of the page, whether somebody types it or not."""
        return [*self.first_commands, *(line for b in self.blocks for line in b.commands)]

    @property
    def mentioned(self) -> list[str]:
        """The code of its sentences, blocks aside."""
        return SPAN.findall(FENCE.sub("", self.text))

    def steps(self) -> Iterator[Step]:
        """Yield what is typed, and the files that are written, in the order of the page."""
        for block in self.blocks:
            if block.file:
                yield Step(block, None)
            elif block.runs:
                yield Step(block, self.output(block))

    def output(self, block: Block) -> Block | None:
        """Return the block of what a block prints, if it follows directly."""
        after = next((each for each in self.blocks if each.start > block.start), None)
        between = self.text[block.end : after.start].splitlines() if after else []
        return after if after and after.language == "text" and not any(between[1:-1]) else None

    def unexplained(self) -> list[str]:
        """Return the output blocks that no command is beside, which nothing keeps true."""
        shown = {step.output.line for step in self.steps() if step.output}
        return [
            f"{self.name}:{block.line}"
            for block in self.blocks
            if block.language == "text" and block.line not in shown
            if "not run" not in block.comments
        ]
