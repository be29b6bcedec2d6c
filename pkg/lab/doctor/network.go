package doctor

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"labctl/pkg/internal/shell"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

func bridgePreconditions() []precondition {
	return []precondition{
		{id: "bridge-up", asks: "the bridge exists on the node and is up", find: bridgeUp, perNode: true},
		{id: "bridge-network", asks: "the lab's static addresses are in its network, and none is the node's own", find: rightNetwork, perNode: true},
	}
}

func bridgeDetail(f *Facts) string { return f.Lab.Network.Bridge }

// bridge is the lab's on the node, if the token sees it.
func (n *nodeFacts) bridge(name string) (pve.Bridge, bool) {
	at := slices.IndexFunc(n.bridges.value, func(bridge pve.Bridge) bool { return bridge.Name == name })
	if at < 0 {
		return pve.Bridge{}, false
	}
	return n.bridges.value[at], true
}

func bridgeUp(f *Facts, node *nodeFacts) []Finding {
	if node.bridges.err != nil {
		return unread("the bridges of node "+node.name, node.bridges.err)
	}
	name := f.Lab.Network.Bridge
	if bridge, ok := node.bridge(name); ok {
		if bridge.Active {
			return nil
		}
		return []Finding{problem(Error, "bridge %s of node %s is not up", name, node.name).advise("bring it up, on that node", shell.New("ifup").Bridge(name))}
	}
	var names []string
	for _, bridge := range node.bridges.value {
		names = append(names, bridge.Name)
	}
	for _, path := range f.needs(node).Bridges {
		if node.lacks("/sdn/zones/localnetwork/"+path, "SDN.Use") && strings.HasPrefix(path+"/", name+"/") {
			if len(names) == 0 {
				return nil // that is why it is not seen, and it is said already
			}
			return []Finding{problem(Note, "whether node %s has a bridge %s cannot be seen; the token may use: %s", node.name, name, listed(names)).
				advise("if the name is wrong, correct network.bridge in the lab file")}
		}
	}
	return []Finding{problem(Error, "node %s has no bridge %s that the token may use; there are: %s", node.name, name, listed(names)).
		advise("make it on that node, or correct network.bridge in the lab file")}
}

// rightNetwork compares the static addresses of the lab with the node's own address on the bridge.
func rightNetwork(f *Facts, node *nodeFacts) []Finding {
	bridge, ok := node.bridge(f.Lab.Network.Bridge)
	pattern := f.Lab.Network.Address
	own, err := netip.ParsePrefix(bridge.CIDR)
	switch {
	case !ok || !bridge.Active || err != nil || pattern.IsDHCP() || !own.Addr().Is4() || f.Route == nil:
		return nil
	case !own.Masked().Overlaps(pattern.Prefix()):
		return []Finding{problem(Warning, "the lab's addresses %s are not in the network %s of bridge %s: nothing routes to them unless your network does", pattern, own.Masked(), bridge.Name).
			advise("correct network.address in the lab file")}
	case pattern.Contains(own.Addr()):
		return []Finding{problem(Error, "the lab's addresses %s contain %s, which is the node's own", pattern, own.Addr()).advise("correct network.address in the lab file")}
	}
	return nil
}

// address is one that a VM of the lab is going to have.
type address struct {
	vm       string
	ip       netip.Addr
	answers  bool  // something listens for SSH there
	unrouted error // this machine cannot even send there
}

// reachTime bounds looking whether anything answers: what is there answers at once.
const reachTime = time.Second

// isKnown says that the journal has the VM of the spec, so that its address may rightly be taken.
func (f *Facts) isKnown(vm labspec.VM) bool {
	return slices.ContainsFunc(f.Up, func(up UpVM) bool { return up.Name == vm.Name })
}

// lookAtAddresses knocks at the addresses of the VMs that do not exist yet.
func (f *Facts) lookAtAddresses(ctx context.Context) {
	for i, vm := range f.Lab.VMs {
		if prefix, static := f.Lab.Network.AddressOf(i); static && !f.isKnown(vm) {
			f.addresses = append(f.addresses, address{vm: vm.Name, ip: prefix.Addr()})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var wait sync.WaitGroup
	for i := range f.addresses {
		wait.Go(func() {
			one := &f.addresses[i]
			if f.Route != nil {
				one.unrouted = f.Route(one.ip)
			}
			one.answers = one.unrouted == nil && f.Reach != nil && f.Reach(ctx, one.ip.String()) == nil
		})
	}
	wait.Wait()
}

// otherVM is a VM that is not the lab's, with the addresses that PVE gives it.
type otherVM struct {
	ref       pve.VMRef
	addresses []netip.Addr
}

// maxOthers bounds how many foreign VMs are read.
const maxOthers = 32

// lookAtOthers reads the static addresses of the VMs that the token sees.
func (f *Facts) lookAtOthers(ctx context.Context) {
	if f.Lab.Network.Address.IsDHCP() {
		return
	}
	var refs []pve.VMRef
	for _, resource := range f.resources.value {
		ours := slices.ContainsFunc(f.Up, func(up UpVM) bool { return up.Ref.ID == resource.VMID })
		if resource.Type == "qemu" && !resource.Template && !ours && len(refs) < maxOthers {
			refs = append(refs, pve.VMRef{Node: resource.Node, ID: resource.VMID})
		}
	}
	found := make([]otherVM, len(refs))
	var wait sync.WaitGroup
	for i, ref := range refs {
		wait.Go(func() {
			if config, err := f.API.VMConfig(ctx, ref); err == nil { // one that cannot be read tells nothing
				found[i] = otherVM{ref, staticAddresses(config)}
			}
		})
	}
	wait.Wait()
	f.others = found
}

// staticAddresses reads ipconfig0 and so on (qm(1), "ipconfig[n]").
func staticAddresses(config pve.VMConfig) []netip.Addr {
	var all []netip.Addr
	for key, value := range config.Raw {
		if !strings.HasPrefix(key, "ipconfig") {
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			if prefix, err := netip.ParsePrefix(strings.TrimPrefix(part, "ip=")); err == nil {
				all = append(all, prefix.Addr())
			}
		}
	}
	return all
}

func addressesPreconditions() []precondition {
	return []precondition{
		{id: "addresses-routed", asks: "this machine has a route to the lab's static addresses", find: addressesRouted},
		{id: "addresses-free", asks: "no VM that the token sees has them, and nothing answers there for SSH", find: addressesFree},
	}
}

func addressesDetail(f *Facts) string {
	if f.Lab.Network.Address.IsDHCP() {
		return "from DHCP"
	}
	var free []string
	for _, one := range f.addresses {
		free = append(free, one.ip.String())
	}
	if len(free) == 0 {
		return "the lab's VMs exist already"
	}
	return "nothing answers at " + strings.Join(free, ", ")
}

func addressesRouted(f *Facts, _ *nodeFacts) []Finding {
	var findings []Finding
	for _, one := range f.addresses {
		if one.unrouted != nil {
			findings = append(findings, problem(Error, "this machine has no route to %s, the address of %s: %v", one.ip, one.vm, one.unrouted).
				advise("run labctl in that network, set ssh.proxy, or add a route", shell.New("ip", "route", "get", one.ip.String())))
		}
	}
	return findings
}

func addressesFree(f *Facts, _ *nodeFacts) []Finding {
	var findings []Finding
	for _, one := range f.addresses {
		at := slices.IndexFunc(f.others, func(vm otherVM) bool { return slices.Contains(vm.addresses, one.ip) })
		switch {
		case one.unrouted != nil:
		case at >= 0:
			findings = append(findings, problem(Error, "the address %s of %s is that of VM %d", one.ip, one.vm, f.others[at].ref.ID).
				advise("choose other addresses in the lab file (network.address)"))
		case one.answers:
			findings = append(findings, problem(Error, "the address %s of %s is taken: something answers there on port 22", one.ip, one.vm).
				advise("choose other addresses in the lab file (network.address), or stop what has it", shell.New("ssh-keyscan", one.ip.String())))
		}
	}
	return findings
}
