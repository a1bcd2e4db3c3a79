# SPDX-License-Identifier: Apache-2.0
"""What EC2's model has and vpcd does not: parameters that are refused, and elements that no reply has.

A row: action, member, why. Action and member are patterns (fnmatch); a member of a request is written as the Query
protocol writes it (`Ebs.VolumeId`, list items as N), one of a reply as its path of elements without items
(`vpcSet/cidrBlock`). test_model.py and test_replies.py fail on a member that is neither supported nor here, and on
a row that nothing needs.
"""

NO_OUTPOSTS = "there are no Outposts, Local Zones or carriers"
NO_DISKS = "an instance has no disks of its own"
NO_HARDWARE = "it is about hardware that an instance does not have"
NO_MARKET = "nothing is sold or reserved"

PARAMETERS = [
    ("*", "*OutpostArn", NO_OUTPOSTS),
    ("*", "*CarrierIpAddress", NO_OUTPOSTS),
    ("*", "BlockDeviceMapping.*", NO_DISKS),
    ("*", "Kernel.Value", NO_HARDWARE),
    ("*", "Ramdisk.Value", NO_HARDWARE),
    ("*", "EnaSupport.Value", NO_HARDWARE),
    ("*", "SriovNetSupport.Value", NO_HARDWARE),
    ("*", "EnaSrdSpecification.*", NO_HARDWARE),
    ("RunInstances", "Elastic*", NO_HARDWARE),
    ("RunInstances", "Placement.*", NO_HARDWARE),
    ("RunInstances", "InstanceMarketOptions.*", NO_MARKET),
    ("RunInstances", "LicenseSpecification.*", NO_MARKET),
    ("*", "AdditionalInfo", "reserved by AWS"),
]

NOT_EVER = "an interface, address or block is never in a state that would have it"
NO_PAGES = "there are never so many that a page would end"
ONLY_NETWORK = "of an instance type vpcd knows what concerns the network"

ELEMENTS = [
    ("*", "carrier*", NO_OUTPOSTS),
    ("*", "customerOwnedIp*", NO_OUTPOSTS),
    ("*", "mapCustomerOwnedIpOnLaunch", NO_OUTPOSTS),
    ("*", "*LniAtDeviceIndex", NO_OUTPOSTS),
    ("*", "outpostArn", NO_OUTPOSTS),
    ("AvailabilityZone", "parentZone*", NO_OUTPOSTS),
    ("Route", "localGatewayId", NO_OUTPOSTS),
    ("AvailabilityZone", "messageSet", "a zone is always well"),
    ("AvailabilityZoneMessage", "*", "a zone is always well"),
    ("*State", "statusMessage", NOT_EVER),
    ("NetworkInterface", "denyAllIgwTraffic", NOT_EVER),
    ("*", "ipv6Native", "a subnet without IPv4 is not offered"),
    ("Route", "coreNetworkArn", "there is no Cloud WAN"),
    ("Route", "transitGatewayId", "there are no transit gateways"),
    ("AddressAttribute", "ptrRecordUpdate", "a name is in force at once"),
    ("PtrUpdateStatus", "*", "a name is in force at once"),
    ("NatGateway", "provisionedBandwidth", "reserved by AWS"),
    ("ProvisionedBandwidth", "*", "reserved by AWS"),
    ("NetworkInterfacePermission", "awsService", "no service of AWS's runs here"),
    ("Reservation", "requesterId", "no service of AWS's runs here"),
    ("*EnaSrd*", "*", NO_HARDWARE),
    ("*", "enaSrd*", NO_HARDWARE),
    ("*TrunkInterface*Result", "*", "trunk and branch interfaces are AWS's own"),
    ("TrunkInterfaceAssociation", "*", "trunk and branch interfaces are AWS's own"),
    ("Describe*Result", "nextToken", NO_PAGES),
    ("Get*Result", "nextToken", NO_PAGES),
    ("Volume*", "*", NO_DISKS),
    ("DescribeVolumesResult", "volumeSet", NO_DISKS),
    ("*", "blockDeviceMapping", NO_DISKS),
    ("*BlockDevice*", "*", NO_DISKS),
    ("*InstanceCredit*", "*", NO_MARKET),
    ("Instance", "enaSupport", NO_HARDWARE),
    ("InstanceAttribute", "*", NO_HARDWARE),
    ("*", "kernelId", NO_HARDWARE),
    ("*", "ramdiskId", NO_HARDWARE),
    ("*", "bootMode", NO_HARDWARE),
    ("*", "sriovNetSupport", NO_HARDWARE),
    ("*", "tpmSupport", NO_HARDWARE),
    ("*", "platform", "instances are Linux"),
    ("*", "productCodes", NO_MARKET),
    ("ProductCode", "*", NO_MARKET),
    ("Image", "*", "the images are vpcd's own"),
    ("*", "capacityReservation*", NO_MARKET),
    ("CapacityReservation*", "*", NO_MARKET),
    ("*", "cpuOptions", NO_HARDWARE),
    ("CpuOptions", "*", NO_HARDWARE),
    ("*Elastic*", "*", NO_HARDWARE),
    ("Instance", "elastic*", NO_HARDWARE),
    ("*", "enclaveOptions", NO_HARDWARE),
    ("EnclaveOptions", "*", NO_HARDWARE),
    ("*", "hibernationOptions", NO_HARDWARE),
    ("HibernationOptions", "*", NO_HARDWARE),
    ("Instance", "maintenanceOptions", NO_HARDWARE),
    ("InstanceMaintenanceOptions", "*", NO_HARDWARE),
    ("Instance", "iamInstanceProfile", "there is no IAM"),
    ("IamInstanceProfile", "*", "there is no IAM"),
    ("Instance", "instanceLifecycle", NO_MARKET),
    ("Instance", "spotInstanceRequestId", NO_MARKET),
    ("Instance", "usageOperation*", NO_MARKET),
    ("Instance", "licenseSet", NO_MARKET),
    ("LicenseConfiguration", "*", NO_MARKET),
    ("Placement", "*", NO_HARDWARE),
    ("InstanceStatus", "eventsSet", "nobody plans anything for an instance"),
    ("InstanceStatusEvent", "*", "nobody plans anything for an instance"),
    ("InstanceStatusDetails", "impairedSince", NOT_EVER),
    ("InstanceTypeInfo", "*", ONLY_NETWORK),
    ("NetworkInfo", "*", ONLY_NETWORK),
    ("NetworkCardInfo", "*", ONLY_NETWORK),
    ("*Info", "*", ONLY_NETWORK),
    ("Reservation", "groupSet", "groups are of interfaces"),
    ("*ClassicLink*Result", "*", "ClassicLink ended"),
    ("ClassicLinkInstance", "*", "ClassicLink ended"),
    ("*Classic*", "*Classic*", "ClassicLink ended"),
    ("PeeringConnectionOptions", "*Classic*", "ClassicLink ended"),
    ("VpcPeeringConnectionOptionsDescription", "*Classic*", "ClassicLink ended"),
    ("MovingAddressStatus", "*", "EC2-Classic ended"),
    ("*Mov*Address*Result", "*", "EC2-Classic ended"),
    ("RestoreAddressToClassicResult", "*", "EC2-Classic ended"),
    ("ModifyVpcTenancyResult", "return", "every VPC has the one tenancy that it could get"),
    ("ModifyAvailabilityZoneGroupResult", "*", NO_OUTPOSTS),
]
