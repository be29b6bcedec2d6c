package labspec

import "time"

// document is a lab file: the lab, and what underlies its VMs.
type document struct {
	lab        Lab
	vmDefaults VM
}

// The tables of all keys. Their order is that of the schema and of the reference; vmDefaults stands before vms, since
// values are read in this order.

func labFields(d *document) object {
	l := &d.lab
	return object{
		{
			key: "apiVersion", value: choice(&l.APIVersion, APIVersion), required: true, examples: []string{APIVersion},
			doc: "Version of the file format.",
		},
		{
			key: "name", value: words(&l.Name, dnsLabel), required: true, examples: []string{"blog", "nightly-zfs"},
			doc: "Name of the lab; the VMs are called NAME-VM on PVE. A DNS label: lower-case letters, digits, hyphens.",
		},
		{
			key: "description", value: words(&l.Description, prose), examples: []string{"Three VMs against their host"},
			doc: "What the lab is for, in a sentence. Shown in listings and reports.",
		},
		{
			key: "node", value: words(&l.Node, nodeName), required: true, examples: []string{"pve"},
			doc: "PVE node that the VMs are created on. In a cluster VMs can have nodes of their own, see spread.",
		},
		{
			key: "spread", value: nameList{&l.Spread, nodeName}, examples: []string{`["pve", "pve2", "pve3"]`},
			doc: "Nodes of a cluster that the VMs are dealt out to, in turn. A VM with a node of its own is left out. Default: all on node.",
		},
		{
			key: "pool", value: words(&l.Pool, poolID), fallback: "labctl", examples: []string{"labctl"},
			doc: "PVE resource pool that takes all VMs of the lab. It must exist.",
		},
		{
			key: "template", value: templateFields(&l.Template), required: true, examples: []string{`{"vmid": 9000}`},
			doc: "VM template that the VMs are cloned from: its vmid or its name, one of both.",
		},
		{
			key: "clone", value: choice(&l.Clone, CloneLinked, CloneFull), fallback: string(CloneLinked),
			doc: "How the OS disk is made: linked shares the template's blocks and takes seconds, full copies them.",
		},
		{
			key: "vmids", value: vmidFields(&l.VMIDs), required: true, examples: []string{`{"first": 9100, "last": 9199}`},
			doc: "Range of VMIDs that the lab may use, at least one for each VM. labctl never touches a VMID outside.",
		},
		{
			key: "user", value: words(&l.User, userName), fallback: "labctl", examples: []string{"labctl"},
			doc: "Account that cloud-init creates in the guests and labctl logs in with, by a key made for the lab run.",
		},
		{key: "cloudInit", value: cloudInitFields(&l.CloudInit), doc: "How the guests get their first configuration."},
		{key: "network", value: networkFields(&l.Network), doc: "How the VMs are reached."},
		{
			key: "vmDefaults", value: layer{machineFields(&d.vmDefaults)},
			doc: "Keys of a VM that all VMs have in common. What a VM says itself wins, key by key, also inside of osDisk and dataDisk.",
		},
		{
			key: "vms", value: sequence[VM]{&l.VMs, &d.vmDefaults, vmFields}, required: true,
			doc: "The VMs. Their order is that of the measurement, the addresses and the VMIDs.",
		},
		{
			key: "host", value: optional[Host]{&l.Host, hostFields},
			doc: "The PVE host as a target of its own, measured before the VMs. Leave it out to measure VMs only.",
		},
		{key: "suite", value: suiteFields(&l.Suite), required: true, doc: "What is measured on every target, and how often."},
	}
}

// PVE's limits of a VMID (format pve-vmid).
const (
	minVMID = 100
	maxVMID = 999999999
)

func vmidFields(r *VMIDRange) object {
	return object{
		{
			key: "first", value: number(&r.First, minVMID, maxVMID), required: true, examples: []string{"9100"},
			doc: "Lowest VMID of the range, 100 to 999999999.",
		},
		{
			key: "last", value: number(&r.Last, minVMID, maxVMID), required: true, examples: []string{"9199"},
			doc: "Highest VMID of the range; it belongs to the range.",
		},
	}
}

func networkFields(n *Network) object {
	const address = `^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$`
	return object{
		{
			key: "bridge", value: words(&n.Bridge, bridgeName), fallback: "vmbr0", examples: []string{"vmbr0"},
			doc: "Bridge of the PVE node that the VMs are connected to.",
		},
		{
			key: "address", value: parsed(&n.Address, `^(dhcp|[0-9.]+([0-9]|\{[0-9]+\.\.[0-9]+\})/[0-9]+)$`, ParseAddressPattern), fallback: "dhcp",
			examples: []string{"192.168.7.{101..199}/24", "dhcp"},
			doc:      "Range of static IPv4 addresses with prefix length, handed out in the order of the VMs; or dhcp.",
		},
		{
			key: "gateway", value: parsed(&n.Gateway, address, parseIPv4), examples: []string{"192.168.7.1"},
			doc: "IPv4 address of the router. Only with static addresses; without it the guests reach their own network only.",
		},
		{
			key: "nameserver", value: parsed(&n.Nameserver, address, parseIPv4), examples: []string{"192.168.7.1"},
			doc: "IPv4 address of the DNS server. Without it the guests get the template's `nameserver`, and PVE hands on the host's when the template has none.",
		},
	}
}

func vmFields(v *VM) object {
	name := field{
		key: "name", value: words(&v.Name, dnsLabel), required: true, examples: []string{"2gb"},
		doc: "Name of the VM as a target, unique in the lab. A DNS label: lower-case letters, digits, hyphens.",
	}
	return append(object{name}, machineFields(v)...)
}

// machineFields are the keys of a VM that several VMs can share.
func machineFields(v *VM) object {
	return object{
		{
			key: "node", value: words(&v.Node, nodeName), examples: []string{"pve2"},
			doc: "PVE node that the VM is created on. Default: as spread says, or the lab's node.",
		},
		{
			key: "cores", value: number(&v.Cores, 1, 512), required: true, examples: []string{"4"},
			doc: "Number of virtual CPU cores, 1 to 512.",
		},
		{
			key: "memory", value: measure(&v.Memory, sizePattern, parseMemory), required: true, examples: []string{"2GiB", "1536MiB"},
			doc: "Memory with unit, whole MiB, at least 256MiB. It is fixed: labctl turns ballooning off.",
		},
		{
			key: "osDisk", value: osDiskFields(&v.OSDisk), required: true, examples: []string{`{"size": "32GiB"}`},
			doc: "The disk cloned from the template.",
		},
		{
			key: "dataDisk", value: dataDiskFields(&v.DataDisk), required: true, examples: []string{`{"storage": "zfs", "size": "64GiB"}`},
			doc: "The fresh disk that is measured.",
		},
	}
}

func osDiskFields(o *OSDisk) object {
	return object{
		{
			key: "size", value: measure(&o.Size, sizePattern, parseDisk), required: true, examples: []string{"32GiB"},
			doc: "Size with unit, whole GiB. The disk is grown to it before the first boot, so not below the template's.",
		},
	}
}

func dataDiskFields(d *DataDisk) object {
	return object{
		{
			key: "storage", value: words(&d.Storage, storageID), required: true, examples: []string{"zfs"},
			doc: "ID of the PVE storage that the disk is made on.",
		},
		{
			key: "size", value: measure(&d.Size, sizePattern, parseDisk), required: true, examples: []string{"64GiB"},
			doc: "Size with unit, whole GiB. fio's files may fill 90 % of it; the rest is for the file system.",
		},
		{
			key: "sparse", value: perhaps(&d.Sparse),
			doc: "Whether the storage must make thin disks (PVE's sparse) or thick ones. Without the key it may do either.",
		},
		{
			key: "blocksize", value: measure(&d.BlockSize, sizePattern, parseBlockSize), examples: []string{"64KiB", "16KiB"},
			doc: "Volblocksize that the ZFS storage must give to new disks (PVE's blocksize): a power of two. Without the key it may be any.",
		},
		{
			key: "bus", value: choice(&d.Bus, BusSCSI, BusVirtIO, BusSATA, BusIDE), fallback: string(BusSCSI),
			doc: "Controller that the guest sees. scsi is virtio-scsi-single, virtio is virtio-blk.",
		},
		{
			key: "cache", value: choice(&d.Cache, CacheNone, CacheWriteback, CacheWritethrough, CacheDirectsync, CacheUnsafe), fallback: string(CacheNone),
			doc: "Cache mode of QEMU. unsafe ignores flushes: an upper bound, not a way to store data.",
		},
		{
			key: "iothread", value: yesNo(&d.IOThread), fallback: "true",
			doc: "Give the disk an I/O thread of its own. Only the buses scsi and virtio can; false by default on the others.",
		},
		{
			key: "ssd", value: yesNo(&d.SSD), fallback: "true",
			doc: "Show the disk to the guest as an SSD (non-rotational). The bus virtio cannot; false by default there.",
		},
		{
			key: "discard", value: yesNo(&d.Discard), fallback: "true",
			doc: "Pass the guest's discards (TRIM) to the storage.",
		},
		{
			key: "aio", value: choice(&d.AIO, AIOURing, AIONative, AIOThreads),
			doc: "Interface that QEMU does the I/O with. native needs cache none or directsync. Without the key PVE chooses, mostly io_uring.",
		},
		{
			key: "mount", value: parsed(&d.Mount, directory.pattern.String(), parseMount), fallback: "/opt/data", examples: []string{"/opt/data"},
			doc: "Directory in the guest where the disk's file system is mounted and fio runs. An absolute path.",
		},
	}
}

func hostFields(h *Host) object {
	return object{
		{
			key: "name", value: words(&h.Name, dnsLabel), fallback: "pve", examples: []string{"pve"},
			doc: "Name of the host as a target, unique in the lab.",
		},
		{
			key: "ssh", value: parsed(&h.SSH, `^[a-z_][a-z0-9_-]*@.+$`, ParseSSHAddress), required: true,
			examples: []string{"root@192.168.7.2", "root@pve.example.org:2222"},
			doc:      "User and address for SSH, with a port where it is not 22.",
		},
		{
			key: "directory", value: parsed(&h.Directory, directory.pattern.String(), parseHostDirectory), required: true, examples: []string{"/tank/labctl"},
			doc: "Directory on the host for fio's files, used for nothing else, on the storage that the VMs are compared with.",
		},
		{
			key: "zvols", value: nameList{&h.Zvols, dnsLabel}, examples: []string{`["2gb"]`},
			doc: "VMs whose data disks `labctl bench --zvol VM` may overwrite from the host, while they are stopped (layer host-zvol). Needs root on the host.",
		},
	}
}

func suiteFields(s *Suite) object {
	return object{
		{
			key: "name", value: words(&s.Name, title), examples: []string{"blog"},
			doc: "Name of the suite in the results. Default: the name of the lab.",
		},
		{
			key: "order", value: choice(&s.Order, OrderFixed, OrderRandom), fallback: string(OrderRandom),
			doc: "Order in a block. fixed: target by target, the host first, each with all workloads, all as they stand in the file. random: target × workload, shuffled anew for every block from the seed of the run.",
		},
		{
			key: "rest", value: measure(&s.Rest, `^([0-9]+(h|m|s|ms))+$`, parseRest), fallback: "30s", examples: []string{"30s", "5m"},
			doc: "Pause between two trials with unit: h, m, s or ms, at most 1h.",
		},
		{
			key: "blocks", value: number(&s.Blocks, 1, MaxBlocks), fallback: "3", examples: []string{"8"},
			doc: "How often everything is repeated, 1 to 1000. One block shows no spread, three are the least that do, eight allow tests.",
		},
		{
			key: "files", value: choice(&s.Files, FilesFresh, FilesReuse), fallback: string(FilesFresh),
			doc: "What a trial finds in its directory. fresh: fio's files of earlier trials are removed. reuse: they stay, and fio overwrites those of the same name.",
		},
		{
			key: "workloads", value: sequence[Workload]{&s.Workloads, nil, workloadFields}, required: true,
			doc: "The workloads, one fio process each.",
		},
	}
}

func workloadFields(w *Workload) object {
	return object{
		{
			key: "name", value: words(&w.Name, title), required: true, examples: []string{"write-random-4kib-1x"},
			doc: "Name of the workload in the results, unique in the suite.",
		},
		{
			key: "fio", value: jobOptions{&w.Job}, required: true,
			examples: []string{`{"name": "random-write", "ioengine": "posixaio", "rw": "randwrite", "bs": "4k", "size": "4g", "runtime": 60, "time_based": null, "end_fsync": 1}`},
			doc:      "Options of the fio job in the order of the command line, as fio(1) spells them. A key without value is a flag: \"time_based:\" becomes --time_based.",
		},
	}
}

// restLimit is the longest pause; a longer one is a misprint.
const restLimit = time.Hour
