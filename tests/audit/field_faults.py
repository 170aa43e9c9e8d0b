"""Faults as people make them in templates like those of `field/`, with the rule that names each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class FieldFault:
    """One template of the field with one piece of its text replaced."""

    template: str
    rule: str
    old: str
    new: str
    beside: tuple[str, ...] = ()
    """Templates that are given with it."""
    others: tuple[str, ...] = ()
    """Rules that find something at or above a warning as well; no other may."""
    parameters: Mapping[str, str] = field(default_factory=dict)


FAULTS: Final = (
    # --- fabric
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-2",
        "      DestinationSecurityGroupId: !Ref EFASecurityGroup\n",
        "      CidrIp: 10.0.0.0/16\n",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-1",
        "      SourceSecurityGroupId: !Ref EFASecurityGroup\n",
        "      CidrIp: 10.0.0.0/16\n",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-1",
        "      IpProtocol: -1\n      FromPort: -1\n      ToPort: -1\n"
        "      GroupId: !Ref EFASecurityGroup\n      SourceSecurityGroupId",
        "      IpProtocol: tcp\n      FromPort: 0\n      ToPort: 65535\n"
        "      GroupId: !Ref EFASecurityGroup\n      SourceSecurityGroupId",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-9",
        "InterfaceType: efa, Groups",
        "InterfaceType: efa, AssociatePublicIpAddress: true, Groups",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-9",
        "VPCZoneIdentifier: [!Ref PrivateSubnet]",
        "VPCZoneIdentifier: [!Ref PublicSubnet]",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "        MetadataOptions:",
        "        SecurityGroupIds: [!Ref EFASecurityGroup]\n        MetadataOptions:",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "NetworkCardIndex: 3, DeviceIndex: 1",
        "NetworkCardIndex: 2, DeviceIndex: 1",
        others=("FABRIC-3",),
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "NetworkCardIndex: 3, DeviceIndex: 1",
        "NetworkCardIndex: 2, DeviceIndex: 2",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "NetworkCardIndex: 3, DeviceIndex: 1",
        "NetworkCardIndex: 4, DeviceIndex: 1",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "NetworkCardIndex: 0, DeviceIndex: 0, InterfaceType: efa,",
        "NetworkCardIndex: 0, DeviceIndex: 0, InterfaceType: efa-only,",
    ),
    FieldFault("p4d-auto-scaling.yaml", "FABRIC-17", "Default: 16\n", "Default: 2000\n"),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-3",
        "Default: p4d.24xlarge\n    AllowedValues: [p4d.24xlarge, p4de.24xlarge]",
        "Default: g5.xlarge",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-13",
        "Default: p4d.24xlarge\n    AllowedValues: [p4d.24xlarge, p4de.24xlarge]",
        "Default: p5.48xlarge",
    ),
    FieldFault("p4d-auto-scaling.yaml", "CAPACITY-5", "Default: use1-az6", "Default: use1-az3"),
    FieldFault("p4d-auto-scaling.yaml", "CAPACITY-3", "Strategy: cluster", "Strategy: spread"),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "CAPACITY-2",
        "Properties: {Strategy: cluster}",
        "Properties: {Strategy: cluster, GroupName: training}",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "SAFETY-10",
        "            bash /tmp/setup.sh\n",
        "            apt-get update && apt-get -y upgrade\n",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "SAFETY-10",
        "            bash /tmp/setup.sh\n",
        "            curl -fsSL https://get.docker.com | sh\n",
    ),
    # --- several templates
    FieldFault(
        "training-vpc.yaml",
        "FABRIC-2",
        "DestinationSecurityGroupId: !Ref Efa}",
        "CidrIp: 10.1.0.0/16}",
        beside=("batch-multi-node.yaml",),
    ),
    FieldFault(
        "nested-compute.yaml",
        "CAPACITY-3",
        '!If [OnDemand, {GroupName: !Ref Placement}, !Ref "AWS::NoValue"]',
        "{GroupName: !Ref Placement}",
        beside=("root.yaml", "training-vpc.yaml"),
        parameters={"nested-compute:UseBlock": "yes"},
    ),
    # --- capacity
    FieldFault(
        "eks-capacity-block.yaml",
        "CAPACITY-10",
        "        InstanceMarketOptions: {MarketType: capacity-block}\n",
        "",
    ),
    FieldFault(
        "eks-capacity-block.yaml",
        "CAPACITY-10",
        "        CapacityReservationSpecification:\n"
        "          CapacityReservationTarget: {CapacityReservationId: !Ref CapacityBlockId}\n",
        "",
    ),
    FieldFault("eks-capacity-block.yaml", "CAPACITY-12", "MaxSize: 8", "MaxSize: 65"),
    FieldFault(
        "reserved-fleet.yaml",
        "CAPACITY-3",
        "      PlacementGroupArn: !Sub arn:${AWS::Partition}:ec2:${AWS::Region}:"
        "${AWS::AccountId}:placement-group/${Placement}\n",
        "",
    ),
    FieldFault(
        "reserved-fleet.yaml",
        "CAPACITY-14",
        "      InstanceType: p4d.24xlarge\n      InstancePlatform",
        "      InstanceType: p4de.24xlarge\n      InstancePlatform",
    ),
    FieldFault(
        "reserved-fleet.yaml",
        "CAPACITY-12",
        "InstanceCount: !Ref Nodes",
        "InstanceCount: 8",
    ),
    FieldFault("reserved-fleet.yaml", "CAPACITY-6", "CoreCount: 48, ", ""),
    FieldFault(
        "reserved-fleet.yaml",
        "CAPACITY-13",
        "          CapacityReservationTarget:",
        "          CapacityReservationPreference: open\n          CapacityReservationTarget:",
    ),
    FieldFault(
        "zones.yaml",
        "CAPACITY-1",
        "VPCZoneIdentifier: [!Ref SubnetA], ",
        "VPCZoneIdentifier: [!Ref SubnetA, !Ref SubnetB], ",
        others=("FABRIC-12",),
    ),
    FieldFault(
        "converted.json",
        "FABRIC-9",
        '"AssociatePublicIpAddress": "false", "SubnetId": "subnet-0a1b2c3d4e5f60718", "Groups": '
        '[{"Fn::GetAtt": ["SgEfa", "GroupId"]}, ',
        '"AssociatePublicIpAddress": "true", "SubnetId": "subnet-0a1b2c3d4e5f60718", "Groups": '
        '[{"Fn::GetAtt": ["SgEfa", "GroupId"]}, ',
    ),
    FieldFault(
        "converted.json",
        "FABRIC-3",
        '"7", "DeviceIndex": "1", "InterfaceType": "efa"',
        '"7", "DeviceIndex": "1", "InterfaceType": "EFA"',
    ),
    # --- Lustre
    FieldFault("lustre-associations.yaml", "LUSTRE-1", "Default: 4800", "Default: 5000"),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-1",
        "Default: 500, AllowedValues: [125, 250, 500, 1000]",
        "Default: 200",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-1",
        "        DataCompressionType: LZ4\n",
        "        DataCompressionType: LZ4\n        ImportPath: !Sub s3://${Bucket}\n",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-20",
        "        DataCompressionType: LZ4\n",
        "        DataCompressionType: LZ4\n        AutomaticBackupRetentionDays: 7\n",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-21",
        "FileSystemPath: /checkpoints",
        "FileSystemPath: /datasets/checkpoints",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-13",
        "        - {IpProtocol: tcp, FromPort: 1018, ToPort: 1023, CidrIp: !Ref VpcCidr}\n"
        "      SecurityGroupEgress:",
        "      SecurityGroupEgress:",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-1",
        "LogGroupName: /aws/fsx/lustre",
        "LogGroupName: /training/lustre",
    ),
    FieldFault("lustre-associations.yaml", "LUSTRE-1", "Iops: 6000", "Iops: 2000"),
    FieldFault(
        "lustre-associations.yaml",
        "SAFETY-2",
        "    DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties:\n"
        "      FileSystemType: LUSTRE",
        "    DeletionPolicy: Retain\n    Properties:\n      FileSystemType: LUSTRE",
    ),
    FieldFault(
        "pcs-cluster.yaml", "LUSTRE-15", "    DependsOn: [ClusterIngress, ClusterEgress]\n", ""
    ),
    # --- PCS
    FieldFault(
        "pcs-cluster.yaml",
        "SLURM-2",
        "      Path: /aws-pcs/\n",
        "",
    ),
    FieldFault("pcs-cluster.yaml", "SLURM-1", "Default: 30}", "Default: 32}"),
    FieldFault(
        "pcs-cluster.yaml",
        "SLURM-3",
        "NetworkCardIndex: 3, DeviceIndex: 1, InterfaceType: efa,",
        "NetworkCardIndex: 3, DeviceIndex: 1, InterfaceType: efa-only,",
    ),
    FieldFault(
        "pcs-cluster.yaml", "SLURM-2", "pcs:RegisterComputeNodeGroupInstance", "pcs:GetCluster"
    ),
    FieldFault(
        "pcs-cluster.yaml",
        "SLURM-1",
        "SubnetIds: [!Ref ComputeSubnetId]\n        SecurityGroupIds",
        "SubnetIds: [!Ref ComputeSubnetId, !Ref LoginSubnetId]\n        SecurityGroupIds",
    ),
    # --- SageMaker
    FieldFault(
        "hyperpod-slurm.yaml",
        "SAGEMAKER-12",
        "Default: sagemaker-lifecycle-scripts",
        "Default: my-lifecycle-scripts",
    ),
    FieldFault(
        "hyperpod-slurm.yaml",
        "FABRIC-2",
        "DestinationSecurityGroupId: !Ref SecurityGroup}",
        "CidrIp: 10.1.0.0/16}",
    ),
    FieldFault(
        "hyperpod-eks.yaml",
        "FABRIC-12",
        "Subnets: [!Ref SubnetA]}\n      InstanceGroups",
        "Subnets: [!Ref SubnetA, !Ref SubnetB]}\n      InstanceGroups",
    ),
    FieldFault(
        "hyperpod-eks.yaml",
        "SAGEMAKER-16",
        '            Condition: {StringEquals: {"aws:SourceAccount": !Sub "${AWS::AccountId}"}}\n',
        "",
    ),
    FieldFault("training-job.yaml", "SAGEMAKER-1", '"ml.p4d.24xlarge"', '"p4d.24xlarge"'),
    FieldFault(
        "training-job.yaml",
        "SAGEMAKER-1",
        '"VolumeSizeInGB": 100',
        '"VolumeSizeInGB": 100, "VolumeKmsKeyId": "alias/training"',
    ),
    FieldFault(
        "training-job.yaml",
        "FABRIC-2",
        "DestinationSecurityGroupId: !Ref Group}",
        "CidrIp: 0.0.0.0/0}",
    ),
    FieldFault("training-job.yaml", "SAGEMAKER-4", "Default: 8}", "Default: 300}"),
    FieldFault(
        "training-job.yaml",
        "SAGEMAKER-1",
        '"VpcConfig": {"SecurityGroupIds": ["${Group}"], "Subnets": ["${Subnet}"]},',
        "",
    ),
    FieldFault("training-job.yaml", "SAGEMAKER-1", "432000", "4320000"),
    FieldFault(
        "training-job.yaml",
        "SAGEMAKER-17",
        "                Resource: !GetAtt JobRole.Arn\n                Condition: {StringEquals: "
        '{"iam:PassedToService": sagemaker.amazonaws.com}}\n',
        '                Resource: "*"\n',
    ),
    FieldFault("training-job.yaml", "FABRIC-22", '"FI_PROVIDER": "efa"', '"FI_PROVIDER": "tcp"'),
    FieldFault("training-job.yaml", "SAGEMAKER-1", "/${MountName}/datasets", "/fsx/datasets"),
    FieldFault(
        "batch-multi-node.yaml",
        "FABRIC-22",
        "{Name: FI_PROVIDER, Value: efa}",
        "{Name: NCCL_NET, Value: Socket}",
    ),
    # --- closed network
    FieldFault(
        "closed-network.yaml",
        "FABRIC-16",
        "EnableDnsHostnames: true",
        "EnableDnsHostnames: false",
    ),
    FieldFault(
        "closed-network.yaml",
        "FABRIC-20",
        "      ServiceName: !Sub com.amazonaws.${AWS::Region}.s3\n",
        "      ServiceName: !Sub com.amazonaws.${AWS::Region}.dynamodb\n",
    ),
    FieldFault(
        "closed-network.yaml",
        "SAFETY-12",
        "arn:${AWS::Partition}:iam::aws",
        "arn:aws:iam::aws",
    ),
    # --- what was measured to hurt and was not named
    FieldFault(
        "p4d-auto-scaling.yaml",
        "CAPACITY-3",
        "        Placement: {GroupName: !Ref PlacementGroup}\n",
        "",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "CAPACITY-3",
        "{GroupName: !Ref PlacementGroup}",
        "{GroupName: training}",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-37",
        "RouteTableIds: [!Ref PrivateRoutes]",
        "RouteTableIds: []",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "FABRIC-38",
        "NatGatewayId: !Ref Nat}",
        "GatewayId: !Ref InternetGateway}",
    ),
    FieldFault(
        "p4d-auto-scaling.yaml",
        "SAFETY-20",
        "Service: ec2.amazonaws.com",
        "Service: lambda.amazonaws.com",
    ),
    FieldFault("training-job.yaml", "SAFETY-20", "events:PutTargets, ", ""),
    FieldFault(
        "training-job.yaml",
        "SAGEMAKER-16",
        '            Condition: {StringEquals: {"aws:SourceAccount": !Ref "AWS::AccountId"}}\n',
        "",
    ),
    FieldFault("lustre-associations.yaml", "LUSTRE-1", '"1:03:00"', '"8:03:00"'),
    FieldFault(
        "lustre-associations.yaml",
        "LUSTRE-28",
        "S3: {AutoExportPolicy: {Events: [NEW, CHANGED, DELETED]}}",
        "S3: {AutoExportPolicy: {Events: [DELETED]}}",
    ),
    FieldFault("lustre-associations.yaml", "LUSTRE-15", "    DependsOn: Datasets\n", ""),
    FieldFault(
        "lustre-associations.yaml",
        "SAFETY-22",
        "      BucketName: !Sub",
        "      LifecycleConfiguration: {Rules: [{Status: Enabled, ExpirationInDays: 30}]}\n"
        "      BucketName: !Sub",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "SAFETY-19",
        "      BucketName: !Sub",
        "      PublicAccessBlockConfiguration: {BlockPublicAcls: true}\n      BucketName: !Sub",
    ),
    FieldFault(
        "lustre-associations.yaml",
        "SAFETY-26",
        "SecurityGroupIds: [!GetAtt Group.GroupId]",
        "SecurityGroupIds: [!GetAtt Bucket.Arn]",
    ),
    FieldFault(
        "pcs-cluster.yaml",
        "SLURM-12",
        "{ComputeNodeGroupId: !GetAtt Compute.Id}",
        "{ComputeNodeGroupId: !GetAtt Login.Id}",
    ),
    FieldFault("pcs-cluster.yaml", "SLURM-12", 'ParameterValue: "YES"', 'ParameterValue: "NO"'),
    FieldFault("pcs-cluster.yaml", "SLURM-15", ", SubnetId: !Ref ComputeSubnetId}", "}"),
    FieldFault(
        "pcs-cluster.yaml",
        "SLURM-16",
        "    DependsOn: [ClusterIngress, ClusterEgress, ClusterOut]\n",
        "",
    ),
    FieldFault("pcs-cluster.yaml", "SAFETY-26", "      Size: SMALL\n", ""),
    FieldFault("reserved-fleet.yaml", "CAPACITY-14", "Linux/UNIX", "Windows"),
    FieldFault(
        "reserved-fleet.yaml",
        "CAPACITY-14",
        "DefaultTargetCapacityType: on-demand",
        "DefaultTargetCapacityType: spot",
    ),
)
