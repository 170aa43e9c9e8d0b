"""Build the image and push it, with docker buildx, into ECR of any partition.

    python -m training.image.build sagemaker --to REPOSITORY_URI
    python -m training.image.build cluster --to REPOSITORY_URI --print

The repository's URI is the parameter /ultracluster/<environment>/image-repository-uri. Run it in
the repository's root, with docker and the AWS CLI; `--print` only says what would run. Ends with 0,
2 for a mistake, or as the command that failed.
"""

import argparse
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

from training.problems import UserError

HERE: Final = Path(__file__).parent
LOCK: Final = HERE / "image.lock.json"
REGISTRIES: Final = HERE / "registries.json"
DOCKERFILE: Final = "training/image/Dockerfile"
MISTAKEN: Final = 2

LEFT_OUT: Final = ("__pycache__", "*.egg-info", "build")
"""What Python leaves in the folder; Dockerfile.dockerignore keeps the same out of the image."""

ARGUMENTS: Final = {
    "PYTORCH_VERSION": "pytorch",
    "CUDA_VERSION": "cuda",
    "NCCL_VERSION": "nccl",
    "EFA_INSTALLER_VERSION": "efa_installer",
    "LIBFABRIC_VERSION": "libfabric",
    "AWS_OFI_NCCL_VERSION": "aws_ofi_nccl",
}
"""Build arguments of the Dockerfile, and what of the lock each one is."""

REPOSITORY: Final = re.compile(
    r"(?P<registry>\d{12}\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<domain>[a-z0-9.]+))"
    r"/(?P<name>[a-z0-9._/-]+)"
)
"""A repository of ECR, in any partition."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of ECR that images are pushed to."""

    registry: str
    region: str
    name: str

    @classmethod
    def of(cls, uri: str) -> "Repository":
        """Return the repository of a URI."""
        found = REPOSITORY.fullmatch(uri)
        if found is None:
            raise UserError(
                f"--to {uri}: is no repository of ECR; write the value of "
                "/ultracluster/<environment>/image-repository-uri"
            )
        return cls(found["registry"], found["region"], found["name"])


def lock() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(LOCK.read_text())
    return found


def base_registry(repository: Repository, given: str | None) -> str:
    """Return where the base comes from: as given, or the nearest that the partition reaches."""
    if given and given not in {"public", "private"}:
        return given
    region = repository.region
    # ECR's public registry is of the commercial partition; China and GovCloud have their own.
    apart = region.startswith(("cn-", "us-gov-"))
    if given != "private" and (given or not apart):
        return str(lock()["base"]["registry"])
    data: Mapping[str, Any] = json.loads(REGISTRIES.read_text())
    account = data["accounts"].get(region)
    if account is None:
        raise UserError(
            f"{region}: no registry of the Deep Learning Containers is known there; "
            "write --base REGISTRY"
        )
    matching = (d for prefix, d in data["domains"].items() if region.startswith(prefix))
    return f"{account}.dkr.ecr.{region}.{next(matching, data['domain'])}"


def content() -> str:
    """Return a short name of everything that goes into the image; equal files, equal name."""
    root = HERE.parent
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root)
        if any(fnmatch(part, left) for part in name.parts for left in LEFT_OUT):
            continue
        digest.update(f"{name}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def tag(target: str, *, torchtitan: bool = False) -> str:
    """Return the tag of an image: its content, for the repository keeps every tag for ever."""
    variant = "-torchtitan" if torchtitan else ""
    return f"{lock()['base']['tags'][target]}-{target}{variant}-{content()}"


@dataclass(frozen=True, slots=True)
class Build:
    """One image to build."""

    target: str
    repository: Repository
    base: str
    digest: str | None
    torchtitan: bool = False
    """Whether it is the variant that has torchtitan as well."""

    @property
    def base_image(self) -> str:
        """The base by its tag."""
        base = lock()["base"]
        return f"{self.base}/{base['repository']}:{base['tags'][self.target]}"

    @property
    def image(self) -> str:
        """What is pushed."""
        name = tag(self.target, torchtitan=self.torchtitan)
        return f"{self.repository.registry}/{self.repository.name}:{name}"

    def logins(self) -> Iterator[tuple[list[str], list[str]]]:
        """Yield pairs of commands, of which the first one's output is the second one's input."""
        for registry in dict.fromkeys((self.repository.registry, self.base)):
            found = REPOSITORY.fullmatch(f"{registry}/any")
            if found:
                yield (
                    ["aws", "ecr", "get-login-password", "--region", found["region"]],
                    ["docker", "login", "--username", "AWS", "--password-stdin", registry],
                )

    def inspection(self) -> list[str]:
        """Return the command that asks for the digest of the base's tag."""
        form = "{{.Manifest.Digest}}"
        return ["docker", "buildx", "imagetools", "inspect", self.base_image, "--format", form]

    def command(self, digest: str | None) -> list[str]:
        """Return the command that builds and pushes."""
        found = lock()
        arguments = {
            "BASE_REGISTRY": self.base,
            "BASE_REPOSITORY": found["base"]["repository"],
            "BASE_TAG": found["base"]["tags"][self.target],
            "BASE_DIGEST": f"@{digest}" if digest else "",
            "NCCL_TESTS_COMMIT": found["pins"]["nccl_tests"]["commit"],
            "TORCHTITAN_VERSION": found["torchtitan"]["version"] if self.torchtitan else "",
            **{name: found["pins"][pin]["version"] for name, pin in ARGUMENTS.items()},
        }
        given = [part for n, v in arguments.items() for part in ("--build-arg", f"{n}={v}")]
        # Attestations would add images of no platform to the index, which SageMaker cannot pull.
        of_what = ["--platform", "linux/amd64", "--target", self.target, "--file", DOCKERFILE]
        build = ["docker", "buildx", "build", *of_what, "--provenance=false", "--push"]
        return [*build, *given, "--tag", self.image, "."]


def run(build: Build) -> int:
    """Log in, pin the base, build and push; return the exit status."""
    for get, put in build.logins():
        password = subprocess.run(get, capture_output=True, check=False)
        if password.returncode:
            sys.stderr.write(password.stderr.decode(errors="replace"))
            return password.returncode
        done = subprocess.run(put, input=password.stdout, check=False)
        if done.returncode:
            return done.returncode
    asked = subprocess.run(build.inspection(), capture_output=True, text=True, check=False)
    if asked.returncode:
        sys.stderr.write(asked.stderr)
        return asked.returncode
    today = asked.stdout.strip()
    if build.digest and today != build.digest:
        sys.stdout.write(f"{build.base_image} has moved to {today}; the lock's is taken\n")
    if not build.digest:
        sys.stdout.write(f"{build.base_image} is {today}; write that into {LOCK.name} to keep it\n")
    return subprocess.run(build.command(build.digest or today), check=False).returncode


def shown(build: Build) -> str:
    """Return the commands as a shell takes them."""
    lines = [f"{shlex.join(get)} | {shlex.join(put)}" for get, put in build.logins()]
    command = shlex.join(build.command(build.digest or "DIGEST"))
    if build.digest is None:
        lines.append(f'digest="$({shlex.join(build.inspection())})"')
        # shlex would quote the dollar sign away.
        command = command.replace("@DIGEST", '@"$digest"')
    return "\n".join([*lines, command])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="training.image.build",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("target", choices=tuple(lock()["base"]["tags"]))
    parser.add_argument("--to", required=True, metavar="REPOSITORY_URI")
    parser.add_argument("--base", help="public, private, or a registry that mirrors the base")
    parser.add_argument("--torchtitan", action="store_true", help="the variant that has it")
    parser.add_argument("--print", action="store_true", dest="only_print")
    given = parser.parse_args(arguments)
    try:
        repository = Repository.of(given.to)
        base = base_registry(repository, given.base)
    except UserError as error:
        sys.stderr.write(f"ERROR {error}\n")
        return MISTAKEN
    digest = lock()["base"]["digests"][given.target]
    build = Build(given.target, repository, base, digest, torchtitan=given.torchtitan)
    if given.only_print:
        sys.stdout.write(f"{shown(build)}\n")
        return 0
    if not Path(DOCKERFILE).is_file():
        sys.stderr.write(f"ERROR {DOCKERFILE} is not here; run this in the repository's root\n")
        return MISTAKEN
    return run(build)


if __name__ == "__main__":
    sys.exit(main())
