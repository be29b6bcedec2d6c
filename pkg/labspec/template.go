package labspec

import (
	"fmt"
	"slices"
)

// Template names the VM template that is cloned: by VMID or by name, never both. By name it is looked for on every node.
type Template struct {
	VMID     int // 0: the template is found by name
	Name     string
	Replicas []Replica
	Storage  string // where `labctl template build` makes its disk; "": as the flags say
	Image    *Image // nil: the built-in one
}

// Replica is a copy of the template on another node, whose local storages the VMs of that node are cloned on.
type Replica struct {
	Node string
	VMID int
}

// Image is the cloud image that the template is built from.
type Image struct {
	URL     string // http or https
	SHA256  string // in hex; "": the publisher is asked
	Storage string // where the image lies while the template is built; "": the first that takes disk images
}

// On is the template of a node: by VMID when it is not 0, else by name.
func (t Template) On(node string) (vmid int, name string) {
	for _, replica := range t.Replicas {
		if replica.Node == node {
			return replica.VMID, ""
		}
	}
	return t.VMID, t.Name
}

// VMIDs are the VMIDs of the template and its replicas; none when it goes by name.
func (t Template) VMIDs() []int {
	if t.VMID == 0 {
		return nil
	}
	ids := []int{t.VMID}
	for _, replica := range t.Replicas {
		ids = append(ids, replica.VMID)
	}
	return ids
}

// Nodes are the nodes that the lab's VMs are created on, each once.
func (l *Lab) Nodes() []string {
	var nodes []string
	for _, vm := range l.VMs {
		if !slices.Contains(nodes, vm.Node) {
			nodes = append(nodes, vm.Node)
		}
	}
	return nodes
}

// StoragesOn names the storages that the data disks of one node's VMs need, each once.
func (l *Lab) StoragesOn(node string) []string {
	var names []string
	for _, vm := range l.VMs {
		if vm.Node == node && !slices.Contains(names, vm.DataDisk.Storage) {
			names = append(names, vm.DataDisk.Storage)
		}
	}
	return names
}

// Storages names the storages that the lab's data disks need, each once.
func (l *Lab) Storages() []string {
	var names []string
	for _, node := range l.Nodes() {
		for _, name := range l.StoragesOn(node) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// place gives every VM its node: its own, or the next one of those that the VMs are dealt out to.
func place(l *Lab) {
	turn := 0
	for i := range l.VMs {
		vm := &l.VMs[i]
		switch {
		case vm.Node != "":
		case len(l.Spread) > 0:
			vm.Node = l.Spread[turn%len(l.Spread)]
			turn++
		default:
			vm.Node = l.Node
		}
	}
}

func templateFields(t *Template) object {
	return object{
		{
			key: "vmid", value: number(&t.VMID, minVMID, maxVMID), examples: []string{"9000"},
			doc: "VMID of the template, 100 to 999999999.",
		},
		{
			key: "name", value: words(&t.Name, templateName), examples: []string{"ubuntu-2204"},
			doc: "Name of the template; it must be the only one of that name on its node. In a cluster every node can have one.",
		},
		{
			key: "replicas", value: sequence[Replica]{&t.Replicas, nil, replicaFields},
			doc: "Copies of the template on other nodes, where it goes by vmid. Needed for VMs on nodes that cannot see the template's disk.",
		},
		{
			key: "storage", value: words(&t.Storage, storageID), examples: []string{"zfs"},
			doc: "Where `labctl template build` makes the template's disk. Default: the storage of the first VM's data disk.",
		},
		{
			key: "image", value: optional[Image]{&t.Image, imageFields},
			doc: "Cloud image that `labctl template build` makes the template from. Default: the newest Ubuntu 22.04.",
		},
	}
}

func replicaFields(r *Replica) object {
	return object{
		{key: "node", value: words(&r.Node, nodeName), required: true, examples: []string{"pve2"}, doc: "Node that the copy is on."},
		{
			key: "vmid", value: number(&r.VMID, minVMID, maxVMID), required: true, examples: []string{"9002"},
			doc: "VMID of the copy, 100 to 999999999.",
		},
	}
}

func imageFields(i *Image) object {
	return object{
		{
			key: "url", value: words(&i.URL, imageURL), examples: []string{"https://cloud-images.ubuntu.com/jammy/current/jammy-server-cloudimg-amd64.img"},
			doc: "Where the PVE node fetches the image: uncompressed qcow2, raw or vmdk. Default: Ubuntu 22.04 of its publisher.",
		},
		{
			key: "sha256", value: words(&i.SHA256, sha256Sum), examples: []string{"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
			doc: "SHA-256 of the image, in hex. Without it labctl asks the publisher over TLS, in the file SHA256SUMS beside the image.",
		},
		{
			key: "storage", value: words(&i.Storage, storageID), examples: []string{"local"},
			doc: "Directory storage where the image lies while the template is built. Default: the first of the node that takes disk images.",
		},
	}
}

func checkReplicas(l *Lab, report reporter) {
	t := l.Template
	if len(t.Replicas) > 0 && t.Name != "" {
		report("copies go by vmid, and the template goes by name", "remove the list: every node's template of that name is found", "template.replicas", "template.name")
		return
	}
	owner := map[string]string{}
	for i, replica := range t.Replicas {
		at := fmt.Sprintf("template.replicas[%d]", i)
		if first, taken := owner[replica.Node]; taken && replica.Node != "" {
			report(fmt.Sprintf("%s has a copy already, at %s", replica.Node, first), "remove one", at+".node", first+".node")
		}
		owner[replica.Node] = at
		switch {
		case replica.VMID == 0:
		case replica.VMID == t.VMID:
			report(fmt.Sprintf("%d is the template itself", replica.VMID), "write the copy's own VMID: a VMID is unique in the cluster", at+".vmid", "template.vmid")
		case l.VMIDs.Contains(replica.VMID):
			report(fmt.Sprintf("%d is in the range for the VMs", replica.VMID), "choose a range without it: labctl removes VMs in the range", at+".vmid", "vmids.first", "vmids.last")
		}
	}
}

// checkZvols wants every name to be that of a VM.
func checkZvols(l *Lab, report reporter) {
	if l.Host == nil {
		return
	}
	for i, name := range l.Host.Zvols {
		if !slices.ContainsFunc(l.VMs, func(vm VM) bool { return vm.Name == name }) {
			report(fmt.Sprintf("the lab has no VM %s", name), "write the name of a VM", fmt.Sprintf("host.zvols[%d]", i), "vms")
		}
	}
}
