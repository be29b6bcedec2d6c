package cli

import (
	"fmt"
	"net/netip"
	"slices"

	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// labChoices are what the first lab takes from the server.
type labChoices struct {
	Node, Pool, Storage, Bridge string
	Template                    int
	FirstVMID                   int
	Address, Gateway            string
	HostSSH, HostDirectory      string
}

// The VMIDs of the first lab: ten in a row, looked for in steps of a hundred.
const (
	vmidStart = 9100
	vmidStep  = 100
	vmidCount = 10
)

// avoid chooses VMIDs that neither the template nor a VM that the token sees has.
func (c *labChoices) avoid(resources []pve.Resource) {
	for c.FirstVMID = vmidStart; ; c.FirstVMID += vmidStep {
		taken := slices.ContainsFunc(resources, func(r pve.Resource) bool { return c.holds(int(r.VMID)) })
		if !taken && !c.holds(c.Template) {
			return
		}
	}
}

func (c *labChoices) holds(id int) bool { return id >= c.FirstVMID && id < c.FirstVMID+vmidCount }

// gatewayIn is the router's address when it is in the network of the VMs and none of theirs.
func gatewayIn(pattern labspec.AddressPattern, router string) string {
	address, err := netip.ParseAddr(router)
	if err != nil || !pattern.Prefix().Contains(address) || pattern.Contains(address) {
		return ""
	}
	return router
}

// text is the first lab: two VMs that differ in memory, measured for a few minutes. It is small so that it fits on any
// server, and commented so that it can be changed.
func (c *labChoices) text() string {
	network := fmt.Sprintf("network:\n  bridge: %s\n  address: %q\n", c.Bridge, c.Address)
	if c.Gateway != "" {
		network += "  gateway: " + c.Gateway + "\n"
	}
	host := ""
	if c.HostSSH != "" {
		host = fmt.Sprintf("\nhost: # the server itself, measured beside its VMs\n  name: host\n  ssh: %s\n  directory: %s\n", c.HostSSH, c.HostDirectory)
	}
	return fmt.Sprintf(`# A first lab, written by labctl init. The built-in lab blog is a bigger one; see also docs/lab-spec.md.
apiVersion: labctl/v1
name: first
description: Two VMs that differ in memory

node: %s
pool: %s
template: {vmid: %d}
vmids: {first: %d, last: %d} # labctl never touches a VMID outside
%s
vmDefaults: # what the VMs have in common
  cores: 2
  osDisk: {size: 16GiB}
  dataDisk: {storage: %s, size: 16GiB}

vms: # where they differ
  - {name: 2gb, memory: 2GiB}
  - {name: 4gb, memory: 4GiB}
%s
suite:
  blocks: 3 # every workload so often on every target, in random order
  rest: 5s
  workloads:
    - name: sync-4k # every write waits for the disk, as those of a database do
      fio: {ioengine: psync, rw: randwrite, bs: 4k, size: 1g, fdatasync: 1, runtime: 20, time_based: }
    - name: write-1m # past the page cache
      fio: {ioengine: psync, rw: write, bs: 1m, size: 4g, direct: 1, runtime: 20, time_based: }
`, c.Node, c.Pool, c.Template, c.FirstVMID, c.FirstVMID+vmidCount-1, network, c.Storage, host)
}
