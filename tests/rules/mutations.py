"""Known faults to make in templates of ours, each with the rule that must name it."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from tests.rules import wrong_values
from tests.rules.wrong_values import Stacks, lustre, of

Change = Callable[[Stacks, st.DataObject], None]


@dataclass(frozen=True)
class Mutation:
    """One way to break a template, and the rule that must name it."""

    name: str
    rule: str | tuple[str, ...]
    """Where several name it, one of them must."""
    change: Change
    applies: Callable[[Stacks], bool] = lambda _stacks: True

    def made(self, stacks: Stacks, data: st.DataObject) -> Stacks:
        """Return broken copies."""
        broken = copy.deepcopy(stacks)
        self.change(broken, data)
        return broken


def _reserved(stacks: Stacks) -> bool:
    return any(of(stacks, "AWS::EC2::CapacityReservation"))


def _unreserved(stacks: Stacks) -> bool:
    return not _reserved(stacks)


def _scratch(stacks: Stacks) -> bool:
    return not _persistent(stacks)


def _linked(stacks: Stacks) -> bool:
    return any(of(stacks, "AWS::FSx::DataRepositoryAssociation"))


def _persistent(stacks: Stacks) -> bool:
    return bool(lustre(stacks)["LustreConfiguration"]["DeploymentType"] == "PERSISTENT_2")


def _keeps(stacks: Stacks) -> bool:
    (system,) = of(stacks, "AWS::FSx::FileSystem")
    return bool(system["DeletionPolicy"].startswith("Retain")) and "KmsKeyId" in lustre(stacks)


MUTATIONS: Final = (
    Mutation("a capacity that is not sold", "LUSTRE-1", wrong_values.capacity),
    Mutation("a throughput that is not sold", "LUSTRE-1", wrong_values.throughput, _persistent),
    Mutation("a misspelt interface type", "FABRIC-3", wrong_values.interface_type),
    Mutation("a public address beside several interfaces", "FABRIC-9", wrong_values.public_address),
    Mutation("a name of a placement group", "CAPACITY-2", wrong_values.group_name),
    Mutation("a fabric group without ingress", "FABRIC-1", wrong_values.no_ingress),
    Mutation("a fabric group without egress", "FABRIC-2", wrong_values.no_egress),
    Mutation("two interfaces in one place", "FABRIC-3", wrong_values.same_place),
    Mutation("a card that is not there", "FABRIC-3", wrong_values.card),
    Mutation("a primary interface without address", "FABRIC-3", wrong_values.primary),
    Mutation("a card left out", "FABRIC-13", wrong_values.left_out),
    Mutation("no EFA at all", "FABRIC-13", wrong_values.no_efa),
    Mutation("groups beside interfaces", "FABRIC-3", wrong_values.template_groups),
    Mutation("public subnets", "FABRIC-9", wrong_values.public_subnets),
    Mutation("a zone without the type", "CAPACITY-5", wrong_values.zone),
    Mutation("more nodes than addresses", "FABRIC-17", wrong_values.nodes),
    Mutation("no DNS", "FABRIC-16", wrong_values.names),
    Mutation("a Lustre port closed", "LUSTRE-13", wrong_values.ports),
    Mutation("a rule that nothing waits for", "LUSTRE-15", wrong_values.waits),
    Mutation("backups beside associations", "LUSTRE-20", wrong_values.backups, _linked),
    Mutation("a log group elsewhere", "LUSTRE-1", wrong_values.log_group),
    Mutation("several subnets", "LUSTRE-1", wrong_values.subnets),
    Mutation("an import path", "LUSTRE-1", wrong_values.import_path, _persistent),
    Mutation("data lost in an update", "SAFETY-2", wrong_values.kept, _keeps),
    Mutation("a key that goes first", "SAFETY-2", wrong_values.key, _keeps),
    Mutation("IMDSv1", "SAFETY-7", wrong_values.tokens),
    Mutation("an open volume", "SAFETY-8", wrong_values.volume),
    Mutation("a reservation of another type", "CAPACITY-14", wrong_values.reserved_type, _reserved),
    Mutation("a reservation in another zone", "CAPACITY-14", wrong_values.reserved_zone, _reserved),
    Mutation(
        "a reservation that is too small",
        "CAPACITY-12",
        wrong_values.reserved_size,
        _reserved,
    ),
    Mutation(
        "a reservation outside the group",
        "CAPACITY-3",
        wrong_values.reserved_group,
        _reserved,
    ),
    Mutation("a confused deputy", "SAGEMAKER-16", wrong_values.trust),
    Mutation("any role passed", "SAGEMAKER-17", wrong_values.pass_role),
    Mutation("an upgrade at boot", "SAFETY-10", wrong_values.script),
    Mutation("a fabric by addresses", "FABRIC-1", wrong_values.fabric_by_block),
    Mutation("a fabric of TCP alone", ("FABRIC-1", "FABRIC-2"), wrong_values.fabric_by_port),
    Mutation("a fabric of another group", ("FABRIC-1", "FABRIC-2"), wrong_values.fabric_of_another),
    Mutation("a fabric open to the world", "FABRIC-21", wrong_values.world_open),
    Mutation("a second EFA device on a card", "FABRIC-3", wrong_values.second_device),
    Mutation(
        "an address of an efa-only interface",
        "FABRIC-3",
        wrong_values.address,
        lambda stacks: bool(wrong_values.of_fabric_alone(stacks)),
    ),
    Mutation("an interface in no group", "FABRIC-34", wrong_values.bare_interface),
    Mutation("many groups", "FABRIC-18", wrong_values.many_groups),
    Mutation("nodes in two zones", "FABRIC-12", wrong_values.two_zones),
    Mutation("a placement group in two zones", "CAPACITY-1", wrong_values.two_zones),
    Mutation("nodes kept apart", "CAPACITY-3", wrong_values.strategy),
    Mutation("CPU options by halves", "CAPACITY-6", wrong_values.cpu_options),
    Mutation("protected nodes", "CAPACITY-7", wrong_values.protected, wrong_values.scales),
    Mutation("a type without EFA", "FABRIC-3", wrong_values.without_efa),
    Mutation("a type of more cards", "FABRIC-13", wrong_values.other_type),
    Mutation("several types", "FABRIC-25", wrong_values.mixed_types),
    Mutation("a subnet that is too small", "FABRIC-17", wrong_values.too_small),
    Mutation("a preference", "CAPACITY-13", wrong_values.preference, _reserved),
    Mutation("a block in a placement group", "CAPACITY-3", wrong_values.market),
    Mutation("a block without a reservation", "CAPACITY-10", wrong_values.market, _unreserved),
    Mutation("a block that is none", "CAPACITY-10", wrong_values.market, _reserved),
    Mutation("a number of reserved", "CAPACITY-18", wrong_values.reserved_count, _reserved),
    Mutation("an end by halves", "CAPACITY-18", wrong_values.reserved_end, _reserved),
    Mutation("a place for anybody", "CAPACITY-20", wrong_values.reserved_for_anybody, _reserved),
    Mutation("no throughput", "LUSTRE-1", wrong_values.no_throughput, _persistent),
    Mutation("another storage type", "LUSTRE-1", wrong_values.storage_type),
    Mutation("no such deployment type", "LUSTRE-1", wrong_values.deployment_type),
    Mutation("metadata IOPS", "LUSTRE-1", wrong_values.metadata_iops),
    Mutation("an option of another tier", "LUSTRE-1", wrong_values.drive_cache),
    Mutation("backups for years", "LUSTRE-1", wrong_values.long_backups),
    Mutation("a key of a scratch file system", "LUSTRE-9", wrong_values.scratch_key, _scratch),
    Mutation("an old Lustre", "LUSTRE-1", wrong_values.old_lustre, _persistent),
    Mutation("overlapping associations", "LUSTRE-21", wrong_values.overlapping, _linked),
    Mutation("a Lustre port closed outward", "LUSTRE-13", wrong_values.ports_out),
    Mutation("ports of an older guide", "LUSTRE-24", wrong_values.some_ports),
    Mutation("clients shut out", "LUSTRE-13", wrong_values.clients_in),
    Mutation("servers shut out", "LUSTRE-24", wrong_values.clients_out),
    Mutation("nobody decided", "SAFETY-1", wrong_values.undecided, _persistent),
    Mutation("a group left behind", "SAFETY-4", wrong_values.group_left_behind, _keeps),
    Mutation("capacity given up", "SAFETY-15", wrong_values.reserved_and_lost, _reserved),
    Mutation("a download at boot", "SAFETY-10", wrong_values.fetched),
    Mutation("the newest image", "SAFETY-9", wrong_values.newest),
    Mutation("an administrator", "SAGEMAKER-18", wrong_values.administrator),
)
