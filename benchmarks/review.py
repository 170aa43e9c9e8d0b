"""CPU time of whole `review` processes over large templates: twice the resources, twice the time.

    python -m benchmarks.review

The templates are those of `benchmarks.audit` with 1,250, 2,500 and 5,000 resources and four
variants; the two of a review differ in every role. What grows faster than the templates is seen in
the ratios, whatever the machine.
"""

import json
import tempfile
from itertools import pairwise
from pathlib import Path

from benchmarks.audit import Case, template

RESOURCES = (1250, 2500, 5000)
RUNS = 3
WANTED = 2.2
"""At most, of what twice the resources take in place of the time of half as many."""
PROGRAM = "import sys; from ultracluster.cli import main; sys.exit(main(['review', *sys.argv[1:]]))"


def cases(directory: Path) -> list[Case]:
    """Write the pairs of templates, and return their reviews."""
    found = [Case("Python alone", ("-c", "pass"), 0)]
    for most in RESOURCES:
        made = template(most // 10, most=most)
        sides = [str(directory / f"{side}{most}" / "stack.json") for side in ("old", "new")]
        for path in map(Path, sides):
            for each in made["Resources"].values():
                if each["Type"] == "AWS::IAM::Role":
                    each["Properties"]["Description"] = path.parent.name
            path.parent.mkdir()
            path.write_text(json.dumps(made))
        old, new = sides
        words = (new, "--baseline", old, "--region=us-east-1", "--format=json", "--output=-")
        found.append(Case(f"review of 2 x {most:,} resources", ("-c", PROGRAM, *words), 2))
    return found


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        every = cases(Path(directory))
        for _ in range(RUNS):
            for case in every:
                case.run()
    python, *grown = every
    for case in grown:
        print(f"{case.name:<32} {case.median:6.2f} s  {case.median / python.median:6.1f} x Python")
    for fewer, more in pairwise(grown):
        ratio = more.median / fewer.median
        print(f"{more.name} / half as many: {ratio:.2f} (at most {WANTED} is what is wanted)")


if __name__ == "__main__":
    main()
