"""Every name of MiniStack 1.5.33 that this project relies on, in one place.

`tests/emulator/test_contract.py` walks `RELIED_ON` and says which name an upgrade removed and
what stops working without it.
"""

import importlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from ministack import app as _app
from ministack.core import responses as _responses
from ministack.core import router as _router
from ministack.services import autoscaling as _autoscaling
from ministack.services import budgets as _budgets
from ministack.services import cloudformation as _cloudformation
from ministack.services import ec2 as _ec2
from ministack.services import iam as _iam
from ministack.services import s3 as _s3
from ministack.services import ssm as _ssm
from ministack.services import stepfunctions as _stepfunctions
from ministack.services.cloudformation import changesets as _changesets
from ministack.services.cloudformation import engine as _engine
from ministack.services.cloudformation import handlers as _handlers
from ministack.services.cloudformation import provisioners as _provisioners
from ministack.services.cloudformation import stacks as _stacks

from ultracluster.emulator.ledger import Scope

VERSION: Final = "1.5.33"

app: Final[Any] = _app
autoscaling: Final[Any] = _autoscaling
budgets: Final[Any] = _budgets
changesets: Final[Any] = _changesets
cloudformation: Final[Any] = _cloudformation
ec2: Final[Any] = _ec2
engine: Final[Any] = _engine
handlers: Final[Any] = _handlers
iam: Final[Any] = _iam
provisioners: Final[Any] = _provisioners
router: Final[Any] = _router
s3: Final[Any] = _s3
ssm: Final[Any] = _ssm
stacks: Final[Any] = _stacks
stepfunctions: Final[Any] = _stepfunctions


class Name(NamedTuple):
    """A name of MiniStack's, and what breaks without it."""

    module: str
    attribute: str
    purpose: str


RELIED_ON: Final = (
    Name("ministack.app", "app", "the ASGI application that is served"),
    Name("ministack.app", "SERVICE_HANDLERS", "the APIs of FSx, PCS, SageMaker and quotas"),
    Name("ministack.app", "SERVICE_REGISTRY", "the APIs of FSx, PCS, SageMaker and quotas"),
    Name("ministack.core.router", "SERVICE_PATTERNS", "routing of the added APIs"),
    Name("ministack.core.responses", "get_account_id", "isolation of accounts"),
    Name("ministack.core.responses", "get_region", "isolation of Regions"),
    Name("ministack.services.ec2", "_ACTION_MAP", "every EC2 call that is corrected or added"),
    Name("ministack.services.ec2", "_ensure_defaults_initialized", "the default VPC"),
    Name("ministack.services.ec2", "_addresses", "elastic IPs"),
    Name("ministack.services.ec2", "_flow_logs", "flow logs"),
    Name("ministack.services.ec2", "_internet_gateways", "dependencies of a VPC"),
    Name("ministack.services.ec2", "_launch_templates", "launch template versions"),
    Name("ministack.services.ec2", "_nat_gateways", "NAT gateways"),
    Name("ministack.services.ec2", "_network_interfaces", "interfaces of FSx, NAT, endpoints"),
    Name("ministack.services.ec2", "_placement_groups", "placement groups"),
    Name("ministack.services.ec2", "_route_tables", "dependencies of a VPC"),
    Name("ministack.services.ec2", "_security_groups", "security group rules"),
    Name("ministack.services.ec2", "_subnets", "subnets by zone id"),
    Name("ministack.services.ec2", "_tags", "tags on EC2 resources"),
    Name("ministack.services.ec2", "_vpc_endpoints", "VPC endpoints"),
    Name("ministack.services.ec2", "_vpcs", "VPC attributes"),
    Name("ministack.services.ec2", "_parse_lt_data", "launch templates made without a stack"),
    Name("ministack.services.ec2", "_lt_data_xml", "answers of launch template calls"),
    Name("ministack.services.ec2", "_sg_rule_id", "ids of security group rules"),
    Name("ministack.services.ec2", "_zone_name_for_az_id", "zones beyond the third"),
    Name("ministack.services.autoscaling", "_asgs", "Auto Scaling groups"),
    Name("ministack.services.budgets", "_DISPATCH", "budgets"),
    Name("ministack.services.s3", "_buckets", "the refusal to delete data with a bucket"),
    Name("ministack.services.s3", "_bucket_has_versions", "the same for versions"),
    Name("ministack.services.s3", "_bucket_default_sse_headers", "uploads under a KMS key"),
    Name("ministack.services.s3", "_resolve_sse_write_headers", "uploads under a KMS key"),
    Name("ministack.services.s3", "_put_bucket_encryption", "bucket encryption"),
    Name("ministack.services.s3", "_put_bucket_tagging", "emptying of buckets"),
    Name("ministack.services.iam", "_instance_profiles", "instance profiles by name"),
    Name("ministack.services.iam", "_roles", "roles of instance profiles"),
    Name("ministack.services.ssm", "_PUBLIC_AMI_PARAMETERS", "AWS's public AMI parameters"),
    Name("ministack.services.stepfunctions", "_SERVICE_DISPATCH", "jobs of state machines"),
    Name("ministack.services.stepfunctions", "_state_machines", "logs of state machines"),
    Name("ministack.services.stepfunctions", "_ExecutionError", "failed jobs of state machines"),
    Name("ministack.services.cloudformation.provisioners", "_RESOURCE_HANDLERS", "every type"),
    Name("ministack.services.cloudformation.provisioners", "_REPLACING_PROPERTIES", "replacement"),
    Name(
        "ministack.services.cloudformation.provisioners",
        "_CONDITIONALLY_REPLACING_PROPERTIES",
        "replacement",
    ),
    Name(
        "ministack.services.cloudformation.provisioners",
        "_CUSTOM_NAME_REPLACEMENT",
        "the refusal to replace a resource with a custom name",
    ),
    Name("ministack.services.cloudformation.provisioners", "_STACK_TAG_PROPERTY", "stack tags"),
    Name("ministack.services.cloudformation.provisioners", "_physical_name", "generated names"),
    Name("ministack.services.cloudformation.provisioners", "_replace_resource", "replacement"),
    Name("ministack.services.cloudformation.provisioners", "_ec2_apply_tags", "tag updates"),
    Name("ministack.services.cloudformation", "_exports", "exports in use"),
    Name("ministack.services.cloudformation", "_stacks", "exports in use"),
    Name("ministack.services.cloudformation.stacks", "_resolve_stack_outputs", "exports in use"),
    Name("ministack.services.cloudformation.stacks", "_delete_resource", "the end of an update"),
    Name("ministack.services.cloudformation.handlers", "_imported_export_names", "exports in use"),
    Name("ministack.services.cloudformation.engine", "_resolve_refs", "values in conditions"),
    Name("ministack.services.cloudformation.engine", "_evaluate_conditions", "conditions"),
    Name("ministack.services.cloudformation.stacks", "_evaluate_conditions", "conditions"),
    Name("ministack.services.cloudformation.handlers", "_evaluate_conditions", "conditions"),
    Name("ministack.services.cloudformation.changesets", "_evaluate_conditions", "conditions"),
)


def missing() -> Iterator[Name]:
    """Yield what this project relies on and the installed MiniStack does not have."""
    for name in RELIED_ON:
        try:
            module = importlib.import_module(name.module)
        except ModuleNotFoundError:
            yield name
            continue
        if not hasattr(module, name.attribute):
            yield name


def current_scope() -> Scope:
    """Return the account and Region of the request, or of the stack operation, that runs."""
    return Scope(str(_responses.get_account_id()), str(_responses.get_region()))
