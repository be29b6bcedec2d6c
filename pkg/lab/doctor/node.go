package doctor

import (
	"fmt"
	"strings"

	"labctl/pkg/internal/shell"
)

func nodePreconditions() []precondition {
	return []precondition{
		{id: "node-online", asks: "the node exists and is online", find: nodeOnline, perNode: true},
		{id: "node-cores", asks: "no VM has more cores than the node, as far as the token may see them (Sys.Audit on the node)", find: enoughCores, perNode: true},
	}
}

func nodeDetail(f *Facts) string {
	name := f.perNode[0].name
	for _, node := range f.nodes.value {
		switch {
		case node.Name != name:
		case node.Status != "online":
			return name + " answers" // "unknown" is what pvestatd has not reported (pve-manager 9.2.11, PVE/API2Tools.pm 45)
		case node.CPUs == nil:
			return name + " is online; the token may not see how many cores it has"
		}
	}
	return name + " is online"
}

func nodeOnline(f *Facts, asked *nodeFacts) []Finding {
	if f.nodes.err != nil {
		return unread("the list of nodes", f.nodes.err)
	}
	var names []string
	for _, node := range f.nodes.value {
		names = append(names, node.Name)
		if node.Name != asked.name {
			continue
		}
		if node.Status == "offline" {
			return []Finding{problem(Error, "node %s is offline", node.Name).
				advise("start it, or choose another node in the lab file; on a node that runs, this shows who is there", shell.New("pvecm", "status"))}
		}
		return nil
	}
	return []Finding{problem(Error, "there is no node %s; there are: %s", asked.name, listed(names)).advise("correct node: or spread: in the lab file")}
}

// enoughCores compares what every VM asks for with the node: PVE refuses the start of a VM with more ("MAX 2 vcpus allowed
// per VM on this node", qemu-server 9.2.6, PVE/QemuServer.pm 3381-3383).
func enoughCores(f *Facts, asked *nodeFacts) []Finding {
	var findings []Finding
	for _, node := range f.nodes.value {
		if node.Name != asked.name || node.CPUs == nil {
			continue
		}
		var names []string
		most := 0
		for _, vm := range f.Lab.VMs {
			if vm.Node == asked.name && vm.Cores > *node.CPUs {
				names, most = append(names, vm.Name), max(most, vm.Cores)
			}
		}
		if len(names) > 0 {
			findings = append(findings, problem(Error, "node %s has %d cores, and %s is to have %d: PVE does not start a VM with more than its node has",
				asked.name, *node.CPUs, strings.Join(names, ", "), most).advise("write fewer cores: in the lab file, or choose another node"))
		}
	}
	return findings
}

func clusterDetail(f *Facts) string {
	if len(f.perNode) == 1 {
		return "all VMs are on node " + f.perNode[0].name
	}
	var names []string
	for _, node := range f.perNode[1:] {
		names = append(names, node.name)
	}
	return fmt.Sprintf("template, storages and bridge are also on %s", strings.Join(names, ", "))
}
