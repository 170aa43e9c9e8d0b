"""In the place of FSx's data repository associations: folders that follow S3, and the reverse."""

from pathlib import Path
from threading import Lock
from typing import Final

from ultracluster.aws import Cloud
from ultracluster.prove.deployment import Deployment
from ultracluster.spec.environment import EnvironmentSpec
from ultracluster.spec.lustre import DataRepositorySpec

OF_9P: Final = ".virtfs_metadata"
"""Where QEMU keeps owners and modes."""


class DataRepositories:
    """What the environment's associations do, when they are asked to.

    Args:
        spec: the environment.
        deployment: where its bucket and key are found.
        cloud: the emulated AWS.
        shared: folder of this machine that is the file system.
    """

    def __init__(
        self, spec: EnvironmentSpec, deployment: Deployment, cloud: Cloud, shared: Path
    ) -> None:
        self._links, self._cloud, self._shared = spec.storage.data_repositories, cloud, shared
        self._bucket = deployment.id_at("Storage", "Data/Resource/Resource")
        self._key = deployment.id_at("Storage", "Key/Resource/Resource")
        self._exported: dict[Path, int] = {}
        self._lock = Lock()

    def synchronize(self) -> None:
        """Bring new objects into their folders, and new files into the bucket."""
        with self._lock:
            for link in self._links:
                folder = self._shared / link.file_system_path.lstrip("/")
                if link.auto_import:
                    self._import(link, folder)
                if link.auto_export:
                    self._export(link, folder)

    def _import(self, link: DataRepositorySpec, folder: Path) -> None:
        at = {"Bucket": link.bucket_name or self._bucket}
        for row in self._cloud.ask("s3", "list_objects_v2", **at, Prefix=link.prefix).get(
            "Contents", ()
        ):
            path = folder / row["Key"].removeprefix(link.prefix)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                body = self._cloud.ask("s3", "get_object", **at, Key=row["Key"])["Body"]
                path.write_bytes(body.read())

    def _export(self, link: DataRepositorySpec, folder: Path) -> None:
        for path in folder.rglob("*"):
            if OF_9P in path.parts or not path.is_file():
                continue
            if self._exported.get(path) == path.stat().st_mtime_ns:
                continue
            self._exported[path] = path.stat().st_mtime_ns
            self._cloud.ask(
                "s3",
                "put_object",
                Bucket=link.bucket_name or self._bucket,
                Key=f"{link.prefix}{path.relative_to(folder)}",
                Body=path.read_bytes(),
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=self._key,
            )
