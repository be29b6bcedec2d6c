package labspec

import (
	"fmt"
	"net/netip"
	"strings"
)

// reporter takes a problem between values and the paths of these values, the one to show first. It drops what concerns
// values that already have a problem, so the checks need not care whether others failed.
type reporter func(problem, remedy string, paths ...string)

// validate checks how the values of a lab fit together; each value by itself is known to be right.
func validate(l *Lab, report reporter) {
	checkTemplate(l, report)
	checkReplicas(l, report)
	checkVMIDs(l, report)
	checkNames(l, report)
	checkAddresses(l, report)
	checkCloudInit(l, report)
	for i, vm := range l.VMs {
		checkDataDisk(i, vm.DataDisk, report)
	}
	checkZvols(l, report)
	checkWorkloads(l.Suite.Workloads, report)
	checkCapacity(l, report)
}

// vmPath is the path of a key of the i-th VM.
func vmPath(i int, key string) string { return fmt.Sprintf("vms[%d].%s", i, key) }

func checkTemplate(l *Lab, report reporter) {
	switch t := l.Template; {
	case t.VMID == 0 && t.Name == "":
		report("says neither vmid nor name", "add vmid: 9000 or name: ubuntu-2204", "template", "template.vmid", "template.name")
	case t.VMID != 0 && t.Name != "":
		report("says both vmid and name", "remove one", "template.name", "template.vmid")
	}
}

func checkVMIDs(l *Lab, report reporter) {
	r := l.VMIDs
	switch {
	case r.First == 0 || r.Last == 0:
	case r.Last < r.First:
		report(fmt.Sprintf("is below first, %d", r.First), "swap the two", "vmids.last", "vmids.first")
	case r.Contains(l.Template.VMID):
		report(fmt.Sprintf("the range contains the template, %d", l.Template.VMID), "choose a range without it: labctl removes VMs in the range", "vmids", "vmids.first", "vmids.last", "template.vmid")
	case r.Len() < len(l.VMs):
		report(fmt.Sprintf("the range has room for %d of %d VMs", r.Len(), len(l.VMs)),
			fmt.Sprintf("write last: %d or more", r.First+len(l.VMs)-1), "vmids.last", "vmids.first", "vms")
	}
}

// maxVMName is the length of a DNS label, which a VM's name on PVE is.
const maxVMName = 63

func checkNames(l *Lab, report reporter) {
	if strings.HasPrefix(l.Name, "template-") {
		report(fmt.Sprintf("%q begins as the names of templates that are being built", l.Name), "choose another beginning than template-", "name")
	}
	owner := map[string]string{}
	if l.Host != nil {
		owner[l.Host.Name] = "host"
	}
	for i, vm := range l.VMs {
		path := vmPath(i, "name")
		if first, taken := owner[vm.Name]; taken && vm.Name != "" {
			report(fmt.Sprintf("%q is the name of %s too", vm.Name, first), "give every target a name of its own", path, first+".name")
		} else {
			owner[vm.Name] = fmt.Sprintf("vms[%d]", i)
		}
		if full := l.Name + "-" + vm.Name; len(full) > maxVMName {
			report(fmt.Sprintf("the name on PVE, %s, has %d characters", full, len(full)), "shorten it or the lab's name to 63 in all", path, "name")
		}
	}
}

func checkAddresses(l *Lab, report reporter) {
	const path = "network.address"
	n := l.Network
	if n.Address.IsDHCP() {
		if n.Gateway.IsValid() {
			report("is set, but the addresses come from DHCP", "remove it, or write the range of addresses", "network.gateway", path)
		}
		return
	}
	if n.Address.Len() < len(l.VMs) {
		report(fmt.Sprintf("the range has room for %d of %d VMs", n.Address.Len(), len(l.VMs)), "widen it", path, "vms")
	}
	network := n.Address.Prefix()
	if broadcast := lastOf(network); n.Address.Contains(network.Addr()) || n.Address.Contains(broadcast) || !network.Contains(n.Address.Last) {
		report(fmt.Sprintf("the range leaves the host addresses of %s", network), fmt.Sprintf("stay between %s and %s", network.Addr().Next(), broadcast.Prev()), path)
	}
	if n.Gateway.IsValid() && !network.Contains(n.Gateway) {
		report(fmt.Sprintf("%s is not in the network %s", n.Gateway, network), "write the router of that network", "network.gateway", path)
	}
	checkTaken(l, report)
}

// checkTaken finds machines whose address lies in the range for the VMs.
func checkTaken(l *Lab, report reporter) {
	taken := func(address netip.Addr, path string) {
		if l.Network.Address.Contains(address) {
			report(fmt.Sprintf("%s lies in the range for the VMs, %s", address, l.Network.Address), "choose a range without it", path, "network.address")
		}
	}
	taken(l.Network.Gateway, "network.gateway")
	taken(l.Network.Nameserver, "network.nameserver")
	if l.Host != nil {
		if address, err := netip.ParseAddr(l.Host.SSH.Host); err == nil {
			taken(address, "host.ssh")
		}
	}
}

// lastOf is the broadcast address of an IPv4 network.
func lastOf(p netip.Prefix) netip.Addr {
	octets := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		octets[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(octets)
}

// checkDataDisk refuses what QEMU or PVE would refuse, or what PVE would ignore with a warning.
func checkDataDisk(i int, disk DataDisk, report reporter) {
	bus, cache := vmPath(i, "dataDisk.bus"), vmPath(i, "dataDisk.cache")
	if disk.IOThread && !disk.Bus.HasIOThread() {
		report(fmt.Sprintf("a disk on the bus %s has no I/O thread of its own", disk.Bus), "write false, or use the bus scsi", vmPath(i, "dataDisk.iothread"), bus)
	}
	if disk.SSD && !disk.Bus.HasSSD() {
		report(fmt.Sprintf("a disk on the bus %s cannot show itself as an SSD", disk.Bus), "write false, or use the bus scsi", vmPath(i, "dataDisk.ssd"), bus)
	}
	if disk.AIO == AIONative && disk.Cache != CacheNone && disk.Cache != CacheDirectsync {
		report(fmt.Sprintf("native does not work with cache %s", disk.Cache), "use cache none or directsync, or aio io_uring", vmPath(i, "dataDisk.aio"), cache)
	}
}

func checkWorkloads(workloads []Workload, report reporter) {
	owner := map[string]string{}
	for i, w := range workloads {
		at := fmt.Sprintf("suite.workloads[%d]", i)
		if first, taken := owner[w.Name]; taken && w.Name != "" {
			report(fmt.Sprintf("%q is the name of %s too", w.Name, first), "give every workload a name of its own", at+".name", first+".name")
		} else {
			owner[w.Name] = at
		}
		checkJob(w.Job, func(option, problem, remedy string) { report(problem, remedy, at+".fio."+option) })
	}
}
