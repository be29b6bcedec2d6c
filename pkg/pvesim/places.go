package pvesim

import (
	"fmt"
	"slices"
	"strings"
)

// A storage that is not shared exists on every node under one name, each time with other volumes. The first node's are
// in Cluster.storages, as if there were no other node; those of the others are in Cluster.elsewhere.

// buildStorage makes a storage on all nodes that have it.
func (c *Cluster) buildStorage(spec StorageSpec) {
	c.storages[spec.Name] = newStorage(spec, c.clock)
	if spec.Shared {
		return
	}
	for _, n := range c.nodes[1:] {
		own := newStorage(spec, c.clock)
		own.node = n.name
		if c.elsewhere[n.name] == nil {
			c.elsewhere[n.name] = map[string]*storage{}
		}
		c.elsewhere[n.name][spec.Name] = own
	}
}

// isOn says whether a node has the storage.
func (s *storage) isOn(node string) bool {
	return len(s.only) == 0 || node == "" || slices.Contains(s.only, node)
}

// storageOn is a storage as a node sees it. Without a node, and for localhost, that is the first node.
func (c *Cluster) storageOn(node, name string) (*storage, error) {
	if node == "localhost" {
		node = c.nodes[0].name
	}
	s, ok := c.storages[name]
	if own := c.elsewhere[node][name]; own != nil && ok {
		s = own
	}
	switch {
	case !ok:
		return nil, fmt.Errorf("storage '%s' does not exist", name)
	case !s.isOn(node):
		return nil, fmt.Errorf("storage '%s' is not available on node '%s'", name, node)
	}
	return s, nil
}

// storagesOn are the storages of a node by name.
func (c *Cluster) storagesOn(node string) []*storage {
	var list []*storage
	for _, name := range sortedKeys(c.storages) {
		if s, err := c.storageOn(node, name); err == nil {
			list = append(list, s)
		}
	}
	return list
}

// allStorages are the storages of all nodes, a shared one once.
func (c *Cluster) allStorages() []*storage {
	var list []*storage
	for i, n := range c.nodes {
		for _, s := range c.storagesOn(n.name) {
			if i == 0 || s.node != "" || (!c.storages[s.name].isOn(c.nodes[0].name) && !slices.Contains(list, s)) {
				list = append(list, s)
			}
		}
	}
	return list
}

// volumeOn finds a volume by its full name, as a node sees it.
func (c *Cluster) volumeOn(node, volid string) (*volume, bool) {
	store, name, ok := splitVolume(volid)
	if !ok {
		return nil, false
	}
	s, err := c.storageOn(node, store)
	if err != nil {
		return nil, false
	}
	return s.find(name)
}

// volume finds a volume on the node of the path.
func (k *call) volume(volid string) (*volume, bool) { return k.volumeOn(k.node(), volid) }

// storageNamed is a storage of the node of the path, or PVE's error.
func (k *call) storageNamed(name string) (*storage, error) { return k.storageOn(k.node(), name) }

// volumesOf returns the volumes that belong to a VM by their names, on all storages that a node sees.
func (c *Cluster) volumesOf(node string, vmid int) []*volume {
	var list []*volume
	for _, s := range c.storagesOn(node) {
		for _, v := range s.inOrder() {
			if v.vmid == vmid && v.content == "images" {
				list = append(list, v)
			}
		}
	}
	return list
}

// Migrate moves a VM to another node, as an operator would. Volumes on local storages move along. Proxmox VE refuses to
// move a linked clone on a local storage, so whoever moves one made it a full disk before.
func (c *Cluster) Migrate(vmid int, target string) error {
	c.enter()
	defer c.unlock()
	v, ok := c.vms[vmid]
	if !ok {
		return fmt.Errorf("VM %d does not exist", vmid)
	}
	if _, ok := c.nodeNamed(target); !ok {
		return fmt.Errorf("no such cluster node '%s'", target)
	}
	c.moveTo(v, target)
	return nil
}

// SetOffline takes a node off the network, or back: it is listed as offline, and what is to be proxied to it gets 595.
func (c *Cluster) SetOffline(name string, offline bool) {
	c.enter()
	defer c.unlock()
	if n, ok := c.nodeNamed(name); ok {
		n.offline = offline
	}
}

// SetStorageOffline makes a storage not answer, or answer again, on every node that has it. Topology.Storages has Inactive
// for a storage that is so from the beginning.
func (c *Cluster) SetStorageOffline(name string, offline bool) {
	c.enter()
	defer c.unlock()
	for _, n := range c.nodes {
		if s, err := c.storageOn(n.name, name); err == nil {
			s.inactive = offline
		}
	}
}

func (c *Cluster) moveTo(v *vm, target string) {
	for _, key := range sortedKeys(v.config) {
		d := parseDrive(v.config[key])
		disk, known := c.volumeOn(v.node, d.volume)
		if !isDriveKey(key) || !known || disk.storage.shared || disk.vmid != v.id {
			continue
		}
		there, err := c.storageOn(target, disk.storage.name)
		if err != nil || there == disk.storage {
			continue
		}
		delete(disk.storage.volumes, disk.name)
		if _, taken := there.volumes[disk.name]; taken {
			disk.name = strings.TrimSuffix(there.freeName(v.id), ".raw")
		}
		disk.storage, disk.base = there, nil
		there.volumes[disk.name] = disk
		d.volume = disk.id()
		v.config[key] = d.String()
	}
	v.node = target
}
