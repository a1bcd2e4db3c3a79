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
