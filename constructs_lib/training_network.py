"""The network of a training environment, in one Availability Zone."""

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from constructs_lib.acknowledgement import acknowledge
from constructs_lib.permissions import add_policy, allow, arn, service_of_the_account
from constructs_lib.placement import check_zone
from constructs_lib.retention import log_group, removal_policy
from ultracluster.spec.network import ExistingNetworkSpec, NetworkSpec


class TrainingNetwork(Construct):
    """Define a VPC with private training subnets, an optional NAT gateway, and endpoints.

    Args:
        spec: CIDR blocks and endpoints.
        availability_zone_id: the zone id of all subnets.
        log_key: the key of the flow logs; its policy must allow CloudWatch Logs.
        keep: whether VPC and training subnets are kept when the stack is deleted. A kept file
            system has network interfaces in them, so that their deletion would fail.

    Raises:
        SpecError: if the stack's Region has no such zone.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        spec: NetworkSpec,
        availability_zone_id: str,
        log_key: kms.IKey | None = None,
        keep: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        check_zone(self, availability_zone_id)
        self._zone_id = availability_zone_id

        self.vpc: ec2.IVpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(spec.cidr),
            # Subnets are defined here: L2 subnets choose zones by name, and names differ from
            # account to account.
            subnet_configuration=[],
            create_internet_gateway=False,
            nat_gateways=0,
            restrict_default_security_group=True,
        )
        """The VPC."""
        self.vpc.apply_removal_policy(removal_policy(keep=keep))
        self.training_subnets = [
            self._subnet(f"Training{index}", cidr, keep=keep)
            for index, cidr in enumerate(spec.training_subnet_cidrs)
        ]
        """The private subnets of nodes, file system and jobs, all in one zone."""
        if spec.public_subnet_cidr is not None:
            self._egress(spec.public_subnet_cidr)
        _reach_s3(self, self.vpc, self.training_subnets)
        Endpoints(self, cidr=spec.cidr, services=spec.interface_endpoints)
        self._flow_logs(spec, log_key, keep=keep)

    def _subnet(self, name: str, cidr: str, *, keep: bool = False) -> ec2.ISubnet:
        subnet = ec2.CfnSubnet(
            self,
            f"{name}Subnet",
            vpc_id=self.vpc.vpc_id,
            cidr_block=cidr,
            availability_zone_id=self._zone_id,
            map_public_ip_on_launch=False,
            tags=[cdk.CfnTag(key="Name", value=f"{self.node.path}/{name}")],
        )
        subnet.apply_removal_policy(removal_policy(keep=keep))
        table = ec2.CfnRouteTable(self, f"{name}Routes", vpc_id=self.vpc.vpc_id)
        ec2.CfnSubnetRouteTableAssociation(
            self,
            f"{name}Association",
            subnet_id=subnet.attr_subnet_id,
            route_table_id=table.attr_route_table_id,
        )
        return ec2.Subnet.from_subnet_attributes(
            self,
            name,
            subnet_id=subnet.attr_subnet_id,
            availability_zone=subnet.attr_availability_zone,
            ipv4_cidr_block=cidr,
            route_table_id=table.attr_route_table_id,
        )

    def _egress(self, cidr: str) -> None:
        gateway = ec2.CfnInternetGateway(self, "InternetGateway")
        attachment = ec2.CfnVPCGatewayAttachment(
            self, "Attachment", vpc_id=self.vpc.vpc_id, internet_gateway_id=gateway.ref
        )
        public = self._subnet("Public", cidr)
        to_internet = ec2.CfnRoute(
            self,
            "ToInternet",
            route_table_id=public.route_table.route_table_id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.ref,
        )
        to_internet.add_resource_dependency(attachment)
        address = ec2.CfnEIP(self, "NatAddress", domain="vpc")
        address.add_resource_dependency(attachment)
        nat = ec2.CfnNatGateway(
            self, "Nat", subnet_id=public.subnet_id, allocation_id=address.attr_allocation_id
        )
        nat.add_resource_dependency(to_internet)
        for index, subnet in enumerate(self.training_subnets):
            ec2.CfnRoute(
                self,
                f"ToNat{index}",
                route_table_id=subnet.route_table.route_table_id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nat.ref,
            )
        acknowledge(
            to_internet,
            {
                "NIST.800.53.R5::NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW": (
                    "Only the NAT gateway lives in this subnet; nodes have no public address and "
                    "no route to the internet gateway."
                )
            },
        )

    def _flow_logs(self, spec: NetworkSpec, log_key: kms.IKey | None, *, keep: bool) -> None:
        group = log_group(self, "FlowLogGroup", key=log_key, keep=keep)
        # CDK has a name for each number of days, and CloudFormation the number.
        resource = cast("logs.CfnLogGroup", group.node.default_child)
        resource.retention_in_days = spec.flow_log_retention_days
        stack = cdk.Stack.of(self)
        flow_logs = arn(self, "ec2", "vpc-flow-log/*")
        description = "Delivers VPC flow logs"
        role = iam.Role(
            self,
            "FlowLogRole",
            description=description,
            assumed_by=service_of_the_account(stack, "vpc-flow-logs.amazonaws.com", flow_logs),
        )
        write = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
        statement = allow(None, *write, on=group.log_group_arn)
        policy = add_policy(self, "FlowLogPolicy", role, [statement], description=description)
        # The L2 flow log gives its role an inline policy, which NIST 800-53 refuses.
        log = ec2.CfnFlowLog(
            self,
            "FlowLog",
            resource_id=self.vpc.vpc_id,
            resource_type="VPC",
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_group_name=group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        log.node.add_dependency(policy)


class ExistingTrainingNetwork(Construct):
    """Import an existing VPC, and define the endpoints that are added to it."""

    def __init__(self, scope: Construct, construct_id: str, *, spec: ExistingNetworkSpec) -> None:
        super().__init__(scope, construct_id)

        self.training_subnets = [
            ec2.Subnet.from_subnet_attributes(
                self,
                f"Training{index}",
                subnet_id=subnet.subnet_id,
                ipv4_cidr_block=subnet.cidr,
                route_table_id=subnet.route_table_id,
            )
            for index, subnet in enumerate(spec.training_subnets)
        ]
        """The subnets of nodes, file system and jobs, all in one zone."""
        self.vpc = ec2.Vpc.from_vpc_attributes(
            self,
            "Vpc",
            vpc_id=spec.vpc_id,
            vpc_cidr_block=spec.cidr,
            availability_zones=[spec.training_subnets[0].availability_zone_id],
        )
        """The VPC."""
        routed = [
            s
            for s, given in zip(self.training_subnets, spec.training_subnets, strict=True)
            if given.route_table_id is not None
        ]
        if routed:
            _reach_s3(self, self.vpc, routed)
        Endpoints(self, cidr=spec.cidr, services=spec.interface_endpoints)


def _reach_s3(scope: Construct, vpc: ec2.IVpc, subnets: Sequence[ec2.ISubnet]) -> None:
    """Define the gateway endpoint of S3, which refuses writes with other accounts' credentials.

    Reading is open, because ECR image layers and packages of AWS are in AWS's own buckets, and are
    read with AWS's credentials or without any (ECR User Guide, interface endpoints; Amazon Linux
    User Guide, repositories; read 2026-11-27). The condition is that of AWS's data perimeter.
    """
    endpoint = ec2.GatewayVpcEndpoint(
        scope,
        "S3",
        vpc=vpc,
        service=ec2.GatewayVpcEndpointAwsService.S3,
        subnets=[ec2.SubnetSelection(subnets=list(subnets))],
    )
    own = {"StringEquals": {"aws:PrincipalAccount": cdk.Stack.of(scope).account}}
    for sid, action, where in (("Read", "s3:GetObject", None), ("OwnCredentials", "s3:*", own)):
        statement = allow(sid, action, where=where)
        statement.add_any_principal()
        endpoint.add_to_policy(statement)


class Endpoints(Construct):
    """Define interface endpoints of AWS services, reachable from the whole VPC by HTTPS."""

    def __init__(
        self,
        network: TrainingNetwork | ExistingTrainingNetwork,
        *,
        cidr: str,
        services: tuple[str, ...],
    ) -> None:
        super().__init__(network, "Endpoints")
        if not services:
            return

        vpc = network.vpc
        group = ec2.SecurityGroup(
            self, "Group", vpc=vpc, description="HTTPS to AWS services", allow_all_outbound=False
        )
        group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(443), "HTTPS from the VPC")
        for service in services:
            ec2.InterfaceVpcEndpoint(
                self,
                service.replace(".", "-"),
                vpc=vpc,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=ec2.SubnetSelection(subnets=network.training_subnets[:1]),
                security_groups=[group],
                open=False,
            )
