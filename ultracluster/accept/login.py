"""The stage of the login node, which runs anyway, and of the data between S3 and Lustre."""

import shlex
from collections.abc import Mapping
from typing import Final

from ultracluster.accept.scene import Found, Scene, Stage, Step, login_step, tags
from ultracluster.aws import CloudError
from ultracluster.catalogue.budgets import ENVIRONMENT_TAG
from ultracluster.catalogue.slurm import LOGIN, ROLE_TAG
from ultracluster.exit_status import CommandError
from ultracluster.prove.slurm_proof import GROUP_TAG
from ultracluster.run_command import ROOT, instances
from ultracluster.spec.lustre import DataRepositorySpec

LUSTRE: Final = "/fsx"
SYNC_SECONDS: Final = 300
TEXT: Final = "ultracluster"
LOGIN_NODES: Final = "LoginNodes"
"""In the construct path of their group."""


def _configuration(scene: Scene) -> Found:
    """Compare what the controller runs with, with what PCS was told."""
    cluster = scene.evidence.described("Cluster", "Slurm/Cluster/Resource")
    told = {
        row["parameterName"]: row["parameterValue"]
        for row in cluster["slurmConfiguration"].get("slurmCustomSettings", ())
    }
    answer = scene.shell("scontrol show config")
    lines = [line.partition("=") for line in answer.stdout.splitlines()]
    # "Prolog[0] = ..., HealthCheckInterval = 300 sec": what there may be several of is numbered.
    runs = {name.strip().removesuffix("[0]"): value.strip() for name, _, value in lines}
    wanted = {**told, "SLURM_VERSION": f"{scene.slurm.version}."}
    found = {name: runs.get(name, "missing") for name in wanted}
    ok = all(found[name].startswith(value) for name, value in wanted.items())
    return Found(_listed(wanted), _listed(found) if answer.status == 0 else answer.text, ok)


def _listed(values: Mapping[str, str | None]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _tagged(scene: Scene) -> Found:
    """See that the tags that a login node is found by are on those that PCS calls its own."""
    groups = scene.deployment.of_type("AWS::PCS::ComputeNodeGroup")
    login = next(str(each.physical_id) for each in groups if LOGIN_NODES in each.path)
    filters = {f"tag:{GROUP_TAG}": login.rpartition("/")[2], "instance-state-name": "running"}
    found = [tags(instance) for instance in instances(scene, filters)]
    if not found:
        raise CommandError(f"{scene.spec.name}: no login node runs")
    wanted = {ENVIRONMENT_TAG: scene.spec.name, ROLE_TAG: LOGIN}
    measured = [{name: each.get(name) for name in wanted} for each in found]
    words = " | ".join(map(_listed, measured))
    return Found(_listed(wanted), words, measured == [wanted] * len(found))


def _linked(scene: Scene, *, imports: bool) -> DataRepositorySpec | None:
    """Return the first folder that comes from S3, or that goes there."""
    for each in scene.spec.storage.data_repositories:
        if each.auto_import if imports else each.auto_export:
            return each
    return None


def _bucket(scene: Scene, link: DataRepositorySpec) -> str:
    return link.bucket_name or scene.deployment.id_at("Storage", "Data/Resource/Resource")


def _from_s3(scene: Scene) -> Found:
    """Put an object into the bucket, and read it on the login node."""
    link = _linked(scene, imports=True)
    if link is None:
        return Found("no folder comes from S3", "none", ok=True)
    bucket, key = _bucket(scene, link), f"{link.prefix}{scene.run}"
    scene.journal.will_make("objects", bucket=bucket, prefix=key)
    scene.ask("s3", "put_object", Bucket=bucket, Key=key, Body=TEXT.encode())
    path = f"{LUSTRE}{link.file_system_path}/{scene.run}"
    read = scene.until(
        lambda: scene.shell(f"cat {path}").text, lambda text: text == TEXT, SYNC_SECONDS
    )
    return Found(f"{path} holds {TEXT}", f"{path} holds {read}", read == TEXT)


def _to_s3(scene: Scene) -> Found:
    """Write a folder under another name and rename it, as a checkpoint is; find it in S3."""
    link = _linked(scene, imports=False)
    if link is None:
        return Found("no folder goes to S3", "none", ok=True)
    bucket, prefix = _bucket(scene, link), f"{link.prefix}{scene.run}"
    folder = shlex.quote(f"{LUSTRE}{link.file_system_path}/{scene.run}")
    scene.journal.will_make("objects", bucket=bucket, prefix=prefix)
    scene.journal.will_make("shell", instance="", command=f"rm -rf {folder} {folder}.partial")
    written = scene.shell(
        f"mkdir {folder}.partial && echo {TEXT} >{folder}.partial/part && sync "
        f"&& mv {folder}.partial {folder}"
    )
    if written.status:
        return Found("a folder is written and renamed", written.text, ok=False)
    key = f"{prefix}/part"
    wanted_key = scene.deployment.id_at("Storage", "Key/Resource/Resource")

    def look() -> str:
        try:
            found = scene.ask("s3", "head_object", Bucket=bucket, Key=key)
        except CloudError as error:
            if error.refused or not error.answered:
                raise
            return "missing"
        return str(found.get("SSEKMSKeyId", "no key"))

    found = scene.until(look, lambda key_id: key_id.endswith(wanted_key), SYNC_SECONDS)
    rows = scene.ask("s3", "list_object_versions", Bucket=bucket, Prefix=prefix).get("Versions", [])
    twice = sorted({row["Key"] for row in rows} - {key, f"{prefix}/"})
    return Found(
        f"{key} under key {wanted_key}, and no object besides",
        f"{key}: {found}; besides: {', '.join(twice) or 'none'}",
        found.endswith(wanted_key) and not twice,
    )


STAGE: Final = Stage(
    name="login",
    title="The login node, and data between S3 and Lustre",
    starts="nothing: login nodes run anyway",
    usd=lambda _: "less than 0.01 USD",
    needs_slurm=True,
    steps=(
        Step("tags of the login nodes", _tagged, settles=("tags-of-login-nodes",)),
        login_step(
            "boot of the login node",
            "cloud-init status --wait | head -n 1; "
            "[ -x /opt/ultracluster/setup.sh ] || echo no setup",
            "status: done",
            user=ROOT,
            settles=("pcs-user-data",),
        ),
        login_step(
            "default partition",
            "sinfo --noheader --format=%P | grep '\\*'",
            lambda scene: f"{scene.slurm.queue}*",
            user=ROOT,
            settles=("slurm-by-link",),
        ),
        login_step(
            "a user writes to the file system",
            lambda scene: (
                f"grep -q ' {LUSTRE} lustre ' /proc/mounts && "
                f"f=$(mktemp {LUSTRE}/{scene.run}-XXXXXX) "
                f"&& echo {TEXT} >$f && cat $f && rm $f"
            ),
            TEXT,
            settles=("lustre-client",),
        ),
        login_step(
            "a user's home is on all nodes",
            "grep -q ' /home nfs4 ' /proc/mounts && [ -w ~ ] && echo writable",
            "writable",
            settles=("homes-by-role",),
            concerns=lambda scene: scene.slurm.home_storage is not None,
        ),
        login_step("locked memory of a login", "ulimit -l", "unlimited"),
        Step("configuration of the controller", _configuration, settles=("slurm-settings",)),
        Step("from S3 to Lustre", _from_s3),
        Step("from Lustre to S3", _to_s3, settles=("export-after-rename", "export-with-key")),
    ),
)
