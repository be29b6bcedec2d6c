package labspec

import "strings"

// A mistake is a text of the base file, what to put in its place, and the problem that it makes.
type mistake struct{ name, replace, by, want string }

// mistakes are made one at a time in testdata/base.yaml; each gives exactly one problem.
var mistakes = []mistake{
	// YAML
	{
		"tab", "  - name: small", "\t- name: small",
		`lab.yaml:13:1: a tab where YAML wants spaces: indent with spaces`,
	},
	{
		"unclosed", "root@10.0.0.2", `"root@10.0.0.2`,
		`lab.yaml:20:8: not valid YAML: could not find end character of double-quoted text`,
	},
	{
		"second document", "host:", "---\nhost:",
		`lab.yaml:19:1: a second document is not allowed in a lab file: write each lab into a file of its own`,
	},
	{
		"directive", "apiVersion", "%YAML 1.2\n---\napiVersion",
		`lab.yaml:1:1: a YAML directive is not allowed in a lab file: remove the line`,
	},
	{
		"anchor", "cores: 4", "cores: &four 4",
		`lab.yaml:10:10: an anchor is not allowed in a lab file: write the values out, or use vmDefaults`,
	},
	{
		"alias", "cores: 4", "cores: *four",
		`lab.yaml:10:10: an alias is not allowed in a lab file: write the values out, or use vmDefaults`,
	},
	{
		"merge key", "  cores: 4", "  cores: 4\n  <<: {memory: 2GiB}",
		`lab.yaml:11:3: a merge key is not allowed in a lab file: write the values out, or use vmDefaults`,
	},
	{
		"tag", "cores: 4", "cores: !!int 4",
		`lab.yaml:10:10: a tag is not allowed in a lab file: remove it`,
	},
	{
		"odd key", "cores: 4", "cores: 4\n  ? [a]\n  : b",
		`lab.yaml:12:3: not valid YAML: found an invalid key for this map`,
	},
	{
		"byte order", "name: base", "name: b\xffse",
		`lab.yaml:1:1: the file is not UTF-8 text: save it as UTF-8`,
	},

	// keys
	{
		"unknown", "node: pve", "node: pve\nfoo: 1",
		`lab.yaml:4:1: foo: unknown key: the keys here are apiVersion, name, description, node, spread, pool, template, clone, vmids, user, cloudInit, network, vmDefaults, vms, host, suite`,
	},
	{
		"case", "vmDefaults", "vmdefaults",
		`lab.yaml:9:1: vmdefaults: unknown key: did you mean vmDefaults?`,
	},
	{
		"defaults misspelt", "vmDefaults", "vmDefault",
		`lab.yaml:9:1: vmDefault: unknown key: did you mean vmDefaults?`,
	},
	{
		"swapped letters", "  gateway", "  gatewya",
		`lab.yaml:8:3: network.gatewya: unknown key: did you mean gateway?`,
	},
	{
		"duplicate", "node: pve", "node: pve\nnode: pve",
		`lab.yaml:4:1: node: key stands here twice, first in line 3: remove one`,
	},
	{
		"duplicate of a mapping", "suite:\n", "suite: {}\nsuite:\n",
		`lab.yaml:23:1: suite: key stands here twice, first in line 22: remove one`,
	},
	{
		"missing", "node: pve\n", "",
		`lab.yaml:1:1: node: missing: add node: pve`,
	},
	{
		"missing mapping", "template: {vmid: 9000}\n", "",
		`lab.yaml:1:1: template: missing: add template: {"vmid": 9000}`,
	},
	{
		"missing in defaults", "storage: zfs, ", "",
		`lab.yaml:11:13: vmDefaults.dataDisk.storage: missing: add storage: zfs`,
	},
	{
		"name in defaults", "  cores: 4", "  cores: 4\n  name: x",
		`lab.yaml:11:3: vmDefaults.name: unknown key: the keys here are node, cores, memory, osDisk, dataDisk`,
	},

	// types
	{
		"text for number", "cores: 4", `cores: "4"`,
		`lab.yaml:10:10: vmDefaults.cores: "4" is not a whole number: write a whole number without quotes`,
	},
	{
		"word for number", "cores: 4", "cores: four",
		`lab.yaml:10:10: vmDefaults.cores: "four" is not a whole number: write a whole number without quotes`,
	},
	{
		"fraction", "cores: 4", "cores: 4.5",
		`lab.yaml:10:10: vmDefaults.cores: 4.5 is not a whole number: write it in decimal digits`,
	},
	{
		"hexadecimal", "cores: 4", "cores: 0x4",
		`lab.yaml:10:10: vmDefaults.cores: 0x4 is not a whole number: write it in decimal digits`,
	},
	{
		"null", "cores: 4", "cores:",
		`lab.yaml:10:9: vmDefaults.cores: has no value: write a whole number, or remove the key`,
	},
	{
		"number for text", "name: base", "name: 12",
		`lab.yaml:2:7: name: 12 is not text: write "12", in quotes`,
	},
	{
		"true for text", "name: small", "name: true",
		`lab.yaml:13:11: vms[0].name: true is not text: write "true", in quotes`,
	},
	{
		"list for text", "name: base", "name: [base]",
		`lab.yaml:2:7: name: a list where text is expected`,
	},
	{
		"text for mapping", "{size: 32GiB}", "32GiB",
		`lab.yaml:15:13: vms[0].osDisk: text where a mapping is expected: write size: and so on, indented`,
	},
	{
		"nothing for mapping", "template: {vmid: 9000}", "template:",
		`lab.yaml:4:10: template: nothing where a mapping is expected: write vmid: and so on, indented`,
	},
	{
		"mapping for list", "workloads:\n    - name: first\n      fio: {rw: randwrite, bs: 4k, size: 4g, runtime: 60, time_based: }\n    - name: second\n      fio: {rw: randread, bs: 4k, size: 4g}", "workloads: {}",
		`lab.yaml:24:14: suite.workloads: a mapping where a list is expected: begin each element with "- "`,
	},
	{
		"empty list", "workloads:\n    - name: first\n      fio: {rw: randwrite, bs: 4k, size: 4g, runtime: 60, time_based: }\n    - name: second\n      fio: {rw: randread, bs: 4k, size: 4g}", "workloads: []",
		`lab.yaml:24:14: suite.workloads: the list is empty: add an element with "- "`,
	},
	{
		"nothing in list", "- name: second\n      fio: {rw: randread, bs: 4k, size: 4g}", "-",
		`lab.yaml:27:7: suite.workloads[1]: nothing where a mapping is expected: write name: and so on, indented`,
	},
	{
		"text for yes", "storage: zfs", "storage: zfs, ssd: yes",
		`lab.yaml:11:33: vmDefaults.dataDisk.ssd: "yes" is not true or false: write true or false without quotes`,
	},

	// single values
	{
		"version", "labctl/v1", "labctl/v2",
		`lab.yaml:1:13: apiVersion: "labctl/v2" is not a choice: write labctl/v1`,
	},
	{
		"name", "name: base", "name: Base_1",
		`lab.yaml:2:7: name: "Base_1" is not a DNS label: use lower-case letters, digits and hyphens`,
	},
	{
		"long name", "name: base", "name: " + strings.Repeat("a", 64),
		`lab.yaml:2:7: name: "aaaaaaaaaaaaaaaaaaaa"… has 64 characters: a DNS label has at most 63`,
	},
	{
		"range", "cores: 4", "cores: 0",
		`lab.yaml:10:10: vmDefaults.cores: 0 is not between 1 and 512`,
	},
	{
		"huge", "cores: 4", "cores: 99999999999999999999",
		`lab.yaml:10:10: vmDefaults.cores: 99999999999999999999 is not between 1 and 512`,
	},
	{
		"vmid", "vmid: 9000", "vmid: 99",
		`lab.yaml:4:18: template.vmid: 99 is not between 100 and 999999999`,
	},
	{
		"bare size", "memory: 2GiB", "memory: 2",
		`lab.yaml:14:13: vms[0].memory: 2 has no unit: write 2GiB or 2MiB`,
	},
	{
		"bare size in quotes", "memory: 2GiB", `memory: "2048"`,
		`lab.yaml:14:13: vms[0].memory: 2048 has no unit: write 2048GiB or 2048MiB`,
	},
	{
		"decimal unit", "memory: 2GiB", "memory: 2GB",
		`lab.yaml:14:13: vms[0].memory: the unit GB is ambiguous: write 2GiB`,
	},
	{
		"unknown unit", "memory: 2GiB", "memory: 2giga",
		`lab.yaml:14:13: vms[0].memory: "giga" is not a unit of size: use KiB, MiB, GiB or TiB`,
	},
	{
		"fractional size", "memory: 2GiB", "memory: 1.5GiB",
		`lab.yaml:14:13: vms[0].memory: 1.5GiB is not a whole number: use a smaller unit: 1536MiB, not 1.5GiB`,
	},
	{
		"fractional number", "memory: 2GiB", "memory: 1.5",
		`lab.yaml:14:13: vms[0].memory: 1.5 is not a whole number: use a smaller unit: 1536MiB, not 1.5GiB`,
	},
	{
		"no size", "memory: 2GiB", "memory: much",
		`lab.yaml:14:13: vms[0].memory: "much" is not a size: write a whole number and a unit, such as 64GiB`,
	},
	{
		"small memory", "memory: 2GiB", "memory: 128MiB",
		`lab.yaml:14:13: vms[0].memory: 128MiB is not between 256MiB and 4TiB`,
	},
	{
		"odd memory", "memory: 2GiB", "memory: 1048577KiB",
		`lab.yaml:14:13: vms[0].memory: 1048577KiB is not whole MiB: write 1024MiB`,
	},
	{
		"odd disk", "size: 64GiB", "size: 1536MiB",
		`lab.yaml:11:34: vmDefaults.dataDisk.size: 1536MiB is not whole GiB: write 2GiB`,
	},
	{
		"enormous disk", "size: 64GiB", "size: 99999999TiB",
		`lab.yaml:11:34: vmDefaults.dataDisk.size: 99999999TiB is too large: the largest size is 1024TiB`,
	},
	{
		"bare duration", "rest: 30s", "rest: 30",
		`lab.yaml:23:9: suite.rest: 30 has no unit: write 30s or 30m`,
	},
	{
		"duration", "rest: 30s", "rest: 2 minutes",
		`lab.yaml:23:9: suite.rest: "2 minutes" is not a duration: write a number and h, m, s or ms, such as 30s`,
	},
	{
		"long rest", "rest: 30s", "rest: 2h",
		`lab.yaml:23:9: suite.rest: 2h is not between 0s and 1h`,
	},
	{
		"negative rest", "rest: 30s", "rest: -1s",
		`lab.yaml:23:9: suite.rest: -1s is not between 0s and 1h`,
	},
	{
		"choice", "storage: zfs", "storage: zfs, cache: writeback2",
		`lab.yaml:11:35: vmDefaults.dataDisk.cache: "writeback2" is not a choice: write none, writeback, writethrough, directsync or unsafe`,
	},
	{
		"storage", "storage: zfs", "storage: z fs",
		`lab.yaml:11:23: vmDefaults.dataDisk.storage: "z fs" is not the ID of a PVE storage: write the ID that PVE shows`,
	},
	{
		"mount on the system", "storage: zfs", "storage: zfs, mount: /etc/data",
		`lab.yaml:11:35: vmDefaults.dataDisk.mount: /etc/data belongs to the system: choose a directory of its own, such as /opt/data`,
	},
	{
		"mount on home", "storage: zfs", "storage: zfs, mount: /home",
		`lab.yaml:11:35: vmDefaults.dataDisk.mount: /home belongs to the system: choose a directory of its own, such as /opt/data`,
	},
	{
		"mount with dots", "storage: zfs", "storage: zfs, mount: /opt/../etc",
		`lab.yaml:11:35: vmDefaults.dataDisk.mount: "/opt/../etc" is not an absolute path: begin with / and use letters, digits, dots, hyphens and underscores`,
	},
	{
		"whole pool", "/tank/labctl", "/tank",
		`lab.yaml:21:14: host.directory: /tank is probably a whole pool: choose a directory in it, such as /tank/labctl`,
	},
	{
		"relative directory", "/tank/labctl", "tank/labctl",
		`lab.yaml:21:14: host.directory: "tank/labctl" is not an absolute path: begin with / and use letters, digits, dots, hyphens and underscores`,
	},
	{
		"ssh without user", "root@10.0.0.2", "10.0.0.2",
		`lab.yaml:20:8: host.ssh: "10.0.0.2" does not say which user logs in: write user@host or user@host:port, such as root@192.168.7.2`,
	},
	{
		"ssh port", "root@10.0.0.2", "root@10.0.0.2:0",
		`lab.yaml:20:8: host.ssh: "root@10.0.0.2:0" has a port that is not 1 to 65535: write user@host or user@host:port, such as root@192.168.7.2`,
	},
	{
		"ssh host", "root@10.0.0.2", "root@-oProxyCommand=x",
		`lab.yaml:20:8: host.ssh: "root@-oProxyCommand=x" has no usable host name or address: write user@host or user@host:port, such as root@192.168.7.2`,
	},
	{
		"gateway", "gateway: 10.0.0.1", "gateway: fe80::1",
		`lab.yaml:8:12: network.gateway: "fe80::1" is not an IPv4 address: write four numbers, such as 192.168.7.1`,
	},
	{
		"address", "10.0.0.{11..20}/24", "10.0.0.x/24",
		`lab.yaml:7:12: network.address: "10.0.0.x/24" is not a range of IPv4 addresses: write "192.168.7.{101..199}/24", or dhcp`,
	},
	{
		"octet", "{11..20}", "{11..256}",
		`lab.yaml:7:12: network.address: "10.0.0.{11..256}/24" has a number that is not 0 to 255: write "192.168.7.{101..199}/24", or dhcp`,
	},
	{
		"empty range", "{11..20}", "{20..11}",
		`lab.yaml:7:12: network.address: the range 20..11 is empty: write {11..20}`,
	},
	{
		"prefix length", "/24", "/31",
		`lab.yaml:7:12: network.address: the prefix length /31 is not 8 to 30: write the bridge's own, such as /24`,
	},

	// values together
	{
		"no template", "{vmid: 9000}", "{}",
		`lab.yaml:4:11: template: says neither vmid nor name: add vmid: 9000 or name: ubuntu-2204`,
	},
	{
		"two templates", "{vmid: 9000}", "{vmid: 9000, name: ubuntu}",
		`lab.yaml:4:30: template.name: says both vmid and name: remove one`,
	},
	{
		"vmids upside down", "last: 9109", "last: 9000",
		`lab.yaml:5:28: vmids.last: is below first, 9100: swap the two`,
	},
	{
		"too few vmids", "last: 9109", "last: 9100",
		`lab.yaml:5:28: vmids.last: the range has room for 1 of 2 VMs: write last: 9101 or more`,
	},
	{
		"template in vmids", "first: 9100", "first: 9000",
		`lab.yaml:5:8: vmids: the range contains the template, 9000: choose a range without it: labctl removes VMs in the range`,
	},
	{
		"same target", "name: large", "name: small",
		`lab.yaml:16:11: vms[1].name: "small" is the name of vms[0] too: give every target a name of its own`,
	},
	{
		"host as vm", "name: large", "name: pve",
		`lab.yaml:16:11: vms[1].name: "pve" is the name of host too: give every target a name of its own`,
	},
	{
		"long full name", "name: large", "name: " + strings.Repeat("l", 60),
		`lab.yaml:16:11: vms[1].name: the name on PVE, base-llllllllllllllllllllllllllllllllllllllllllllllllllllllllllll, has 65 characters: shorten it or the lab's name to 63 in all`,
	},
	{
		"too few addresses", "{11..20}", "{11..11}",
		`lab.yaml:7:12: network.address: the range has room for 1 of 2 VMs: widen it`,
	},
	{
		"one address", "{11..20}", "11",
		`lab.yaml:7:12: network.address: the range has room for 1 of 2 VMs: widen it`,
	},
	{
		"network address", "{11..20}", "{0..20}",
		`lab.yaml:7:12: network.address: the range leaves the host addresses of 10.0.0.0/24: stay between 10.0.0.1 and 10.0.0.254`,
	},
	{
		"broadcast address", "{11..20}", "{11..255}",
		`lab.yaml:7:12: network.address: the range leaves the host addresses of 10.0.0.0/24: stay between 10.0.0.1 and 10.0.0.254`,
	},
	{
		"small network", "{11..20}/24", "{11..20}/28",
		`lab.yaml:7:12: network.address: the range leaves the host addresses of 10.0.0.0/28: stay between 10.0.0.1 and 10.0.0.14`,
	},
	{
		"gateway in range", "gateway: 10.0.0.1", "gateway: 10.0.0.15",
		`lab.yaml:8:12: network.gateway: 10.0.0.15 lies in the range for the VMs, 10.0.0.{11..20}/24: choose a range without it`,
	},
	{
		"gateway elsewhere", "gateway: 10.0.0.1", "gateway: 10.0.1.1",
		`lab.yaml:8:12: network.gateway: 10.0.1.1 is not in the network 10.0.0.0/24: write the router of that network`,
	},
	{
		"nameserver in range", "gateway: 10.0.0.1", "gateway: 10.0.0.1\n  nameserver: 10.0.0.20",
		`lab.yaml:9:15: network.nameserver: 10.0.0.20 lies in the range for the VMs, 10.0.0.{11..20}/24: choose a range without it`,
	},
	{
		"host in range", "root@10.0.0.2", "root@10.0.0.12",
		`lab.yaml:20:8: host.ssh: 10.0.0.12 lies in the range for the VMs, 10.0.0.{11..20}/24: choose a range without it`,
	},
	{
		"gateway with dhcp", `"10.0.0.{11..20}/24"`, "dhcp",
		`lab.yaml:8:12: network.gateway: is set, but the addresses come from DHCP: remove it, or write the range of addresses`,
	},
	{
		"iothread on sata", "storage: zfs", "storage: zfs, bus: sata, iothread: true",
		`lab.yaml:11:49: vmDefaults.dataDisk.iothread: a disk on the bus sata has no I/O thread of its own: write false, or use the bus scsi`,
	},
	{
		"iothread inherited", "memory: 8GiB", "memory: 8GiB\n    dataDisk: {bus: ide, iothread: true}",
		`lab.yaml:18:36: vms[1].dataDisk.iothread: a disk on the bus ide has no I/O thread of its own: write false, or use the bus scsi`,
	},
	{
		"ssd on virtio", "storage: zfs", "storage: zfs, bus: virtio, ssd: true",
		`lab.yaml:11:46: vmDefaults.dataDisk.ssd: a disk on the bus virtio cannot show itself as an SSD: write false, or use the bus scsi`,
	},
	{
		"native with cache", "storage: zfs", "storage: zfs, cache: writeback, aio: native",
		`lab.yaml:11:51: vmDefaults.dataDisk.aio: native does not work with cache writeback: use cache none or directsync, or aio io_uring`,
	},
}
