# SPDX-License-Identifier: Apache-2.0
"""A small network for a test: a VPC with a subnet, made on demand."""


class Net:
    def __init__(self, ec2, cidr="10.0.0.0/16", subnet="10.0.0.0/24", ipv6=False, gateway=False):
        self.ec2 = ec2
        vpc = ec2.create_vpc(CidrBlock=cidr, AmazonProvidedIpv6CidrBlock=ipv6)["Vpc"]
        self.vpc = vpc["VpcId"]
        params = {}
        if ipv6:
            block = ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
            self.cidr6 = params["Ipv6CidrBlock"] = block.replace("/56", "/64")
        self.subnet = ec2.create_subnet(VpcId=self.vpc, CidrBlock=subnet, AvailabilityZone="us-east-1a",
                                        **params)["Subnet"]["SubnetId"]
        groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["SecurityGroups"]
        self.default_group = groups[0]["GroupId"]
        if gateway:
            self.gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=self.gateway, VpcId=self.vpc)

    def group(self, name):
        return self.ec2.create_security_group(VpcId=self.vpc, GroupName=name, Description="test")["GroupId"]

    def eni(self, **params):
        params.setdefault("SubnetId", self.subnet)
        return self.ec2.create_network_interface(**params)["NetworkInterface"]

    def run(self, **params):
        """One instance, running (on paper), as described afterwards."""
        params = {"ImageId": "ami-netns", "MinCount": 1, "MaxCount": 1, **params}
        if "NetworkInterfaces" not in params:
            params.setdefault("SubnetId", self.subnet)
        return instance(self.ec2, self.ec2.run_instances(**params)["Instances"][0]["InstanceId"])


def instance(ec2, instance_id):
    return ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]


def interface(ec2, eni_id):
    return ec2.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"][0]


def addresses(eni):
    return [a["PrivateIpAddress"] for a in eni["PrivateIpAddresses"]]
