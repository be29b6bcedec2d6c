package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"labctl/pkg/pve"
)

func checkBridge(s *seen) (string, []Finding) {
	if s.bridges.err != nil {
		return "", unknown("the bridges of node "+s.Lab.Node, s.bridges.err)
	}
	name := s.Lab.Network.Bridge
	var names []string
	for _, bridge := range s.bridges.value {
		names = append(names, bridge.Name)
		if bridge.Name != name {
			continue
		}
		if !bridge.Active {
			return "", []Finding{problem(Error, "bridge %s of node %s is not up", name, s.Lab.Node).advise("bring it up", "ifreload -a")}
		}
		return name, s.wrongNetwork(bridge)
	}
	for _, path := range s.needs().Bridges {
		if s.lacks("/sdn/zones/localnetwork/"+path, "SDN.Use") && strings.HasPrefix(path+"/", name+"/") {
			if len(names) == 0 {
				return name, nil // that is why it is not seen, and it is said already
			}
			return "", []Finding{problem(Note, "whether node %s has a bridge %s cannot be seen; the token may use: %s", s.Lab.Node, name, or(names)).
				advise("if the name is wrong, correct network.bridge in the lab spec")}
		}
	}
	return "", []Finding{problem(Error, "node %s has no bridge %s that the token may use; there are: %s", s.Lab.Node, name, or(names)).
		advise("correct network.bridge in the lab spec")}
}

// wrongNetwork compares the static addresses of the lab with the node's own address on the bridge.
func (s *seen) wrongNetwork(bridge pve.Bridge) []Finding {
	pattern := s.Lab.Network.Address
	own, err := netip.ParsePrefix(bridge.CIDR)
	switch {
	case err != nil || pattern.IsDHCP() || !own.Addr().Is4() || s.Route == nil:
		return nil
	case !own.Masked().Overlaps(pattern.Prefix()):
		return []Finding{problem(Warning, "the lab's addresses %s are not in the network %s of bridge %s: nothing routes to them unless your network does", pattern, own.Masked(), bridge.Name).
			advise("correct network.address in the lab spec")}
	case pattern.Contains(own.Addr()):
		return []Finding{problem(Error, "the lab's addresses %s contain %s, which is the node's own", pattern, own.Addr()).advise("correct network.address in the lab spec")}
	}
	return nil
}

func checkVMIDs(s *seen) (string, []Finding) {
	if s.resources.err != nil {
		return "", unknown("the VMs that the token sees", s.resources.err)
	}
	if s.vmids.err != nil {
		return "", []Finding{{Severity: Error, Problem: s.vmids.err.Error()}}
	}
	var ids []string
	for _, id := range s.vmids.value {
		ids = append(ids, id.String())
	}
	if len(ids) == 0 {
		return "the lab's VMs exist already", nil
	}
	return strings.Join(ids, ", ") + " are free", nil
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

// lookAtAddresses knocks at the addresses of the VMs that do not exist yet.
func (s *seen) lookAtAddresses(ctx context.Context) {
	for i, vm := range s.Lab.VMs {
		if prefix, static := s.Lab.Network.AddressOf(i); static && !s.isUp(vm) {
			s.addresses = append(s.addresses, address{vm: vm.Name, ip: prefix.Addr()})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	var wait sync.WaitGroup
	for i := range s.addresses {
		wait.Go(func() {
			one := &s.addresses[i]
			if s.Route != nil {
				one.unrouted = s.Route(one.ip)
			}
			one.answers = one.unrouted == nil && s.Reach != nil && s.Reach(ctx, one.ip.String()) == nil
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
func (s *seen) lookAtOthers(ctx context.Context) {
	if s.Lab.Network.Address.IsDHCP() {
		return
	}
	var refs []pve.VMRef
	for _, resource := range s.resources.value {
		ours := slices.ContainsFunc(s.Up, func(up UpVM) bool { return up.Ref.ID == resource.VMID })
		if resource.Type == "qemu" && !resource.Template && !ours && len(refs) < maxOthers {
			refs = append(refs, pve.VMRef{Node: resource.Node, ID: resource.VMID})
		}
	}
	found := make([]otherVM, len(refs))
	var wait sync.WaitGroup
	for i, ref := range refs {
		wait.Go(func() {
			if config, err := s.API.VMConfig(ctx, ref); err == nil { // one that cannot be read tells nothing
				found[i] = otherVM{ref, staticAddresses(config)}
			}
		})
	}
	wait.Wait()
	s.others = found
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

func checkAddresses(s *seen) (string, []Finding) {
	if s.Lab.Network.Address.IsDHCP() {
		return "from DHCP", nil
	}
	var findings []Finding
	var free []string
	for _, one := range s.addresses {
		at := slices.IndexFunc(s.others, func(vm otherVM) bool { return slices.Contains(vm.addresses, one.ip) })
		switch {
		case one.unrouted != nil:
			findings = append(findings, s.noRoute(one))
		case at >= 0:
			findings = append(findings, problem(Error, "the address %s of %s is that of VM %d", one.ip, one.vm, s.others[at].ref.ID).
				advise("choose other addresses in the lab spec (network.address)"))
		case one.answers:
			findings = append(findings, problem(Error, "the address %s of %s is taken: something answers there on port 22", one.ip, one.vm).
				advise("choose other addresses in the lab spec (network.address), or stop what has it", "ssh-keyscan "+one.ip.String()))
		default:
			free = append(free, one.ip.String())
		}
	}
	if len(free) == 0 {
		return "the lab's VMs exist already", findings
	}
	return "nothing answers at " + strings.Join(free, ", "), findings
}

func (s *seen) noRoute(one address) Finding {
	return problem(Error, "this machine has no route to %s, the address of %s: %v", one.ip, one.vm, one.unrouted).
		advise("run labctl in that network, set ssh.proxy, or add a route", fmt.Sprintf("ip route get %s", one.ip))
}
