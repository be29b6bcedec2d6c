package zvol

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// fileSystemLabel is what a lab's data disks are formatted with (cloudinit/prepare.sh).
const fileSystemLabel = "labctl-data"

// askUp is the remedy where the lab is not as labctl makes it.
const askUp = "run `labctl up`, then again"

var (
	zdNode     = regexp.MustCompile(`^/dev/zd[0-9]+$`)
	zvolName   = regexp.MustCompile(`^vm-([0-9]+)-disk-[0-9]+$`)
	zvolDevice = regexp.MustCompile(`^/dev/zvol/([A-Za-z0-9][A-Za-z0-9_.:/-]*)$`)
)

// consent wants both confirmations.
func (c *check) consent() {
	w := c.wanted
	c.refuse(!w.InSpec, fmt.Sprintf("list %s under host.zvols; its data disk loses its content", w.VM), "the lab does not allow it")
	c.refuse(!w.ByFlag, "say --zvol "+w.VM, "the command line does not confirm it")
}

// machine wants the VM ours, its data disk as the lab made it, and the VM stopped or, before that, running: only a guest
// that runs can have written its token just now.
func (c *check) machine() {
	w, vm := c.wanted, c.vm
	c.refuse(vm.Running && c.moment == BeforeWrite, "somebody started it: stop it, then again", "VM %d runs; its own writes would be destroyed, and destroy ours", w.VMID)
	c.refuse(!vm.Running && c.moment == BeforeStop, askUp, "VM %d is stopped; no guest has shown which disk is its own", w.VMID)
	c.refuse(vm.Lock != "", "wait for what holds the lock", "VM %d is locked (%s)", w.VMID, vm.Lock)
	c.refuse(!vm.Ours, "it is somebody else's", "VM %d does not carry the mark of this lab run", w.VMID)
	c.refuse(vm.Template, "others live on its disks", "VM %d is a template", w.VMID)
	c.refuse(vm.Node != w.Node, "run the same again", "VM %d was moved from node %s to %s", w.VMID, w.Node, vm.Node)
	c.refuse(vm.Volume != w.Volume, askUp, "the data disk of VM %d is %q, expected was %q", w.VMID, vm.Volume, w.Volume)
	c.refuse(vm.Serial != w.Serial, askUp, "the data disk of VM %d has the serial %q, the lab's have %q", w.VMID, vm.Serial, w.Serial)
	c.refuse(vm.SizeBytes != w.SizeBytes, askUp, "the data disk of VM %d has %d bytes by its configuration, the lab wants %d", w.VMID, vm.SizeBytes, w.SizeBytes)
	c.refuse(vm.UsesVolume != 1, "detach it where it is too much", "%d drives of VM %d name the volume %s", vm.UsesVolume, w.VMID, w.Volume)
}

// names wants the volume to be named as PVE names a VM's own disk on ZFS. That proves nothing: it keeps out what can be told
// to be wrong before the host is asked.
func (c *check) names() {
	w := c.wanted
	_, volume, _ := strings.Cut(w.Volume, ":")
	name := zvolName.FindStringSubmatch(volume)
	if name == nil {
		c.refuse(true, "clones and base disks are never written to", "volume %s is not named as a VM's own disk on ZFS", w.Volume)
	} else {
		c.refuse(name[1] != fmt.Sprint(w.VMID), "it is somebody else's", "volume %s is named after another VM than %d", w.Volume, w.VMID)
	}
	if c.dataset() == "" {
		c.refuse(true, "this layer exists for storages of the type zfspool only", "%q is no device of a zvol", w.Device)
	} else {
		c.refuse(path.Base(w.Device) != volume, "it is somebody else's", "device %s is not named as the volume %s", w.Device, volume)
	}
}

// dataset is ZFS's name of the device that is wanted, or "" when it is no zvol's.
func (c *check) dataset() string {
	match := zvolDevice.FindStringSubmatch(c.wanted.Device)
	if match == nil || path.Clean(c.wanted.Device) != c.wanted.Device {
		return ""
	}
	return match[1]
}

// host wants the machine that was logged in to, as root, to be the node that the VM is on: by the name that the cluster's
// file system knows this node by (/etc/pve/local, pve-cluster, pmxcfs), and by the certificate that its API shows.
func (c *check) host() {
	l, w := c.look, c.wanted
	c.refuse(l.one("uid") != "0", "log in as root: host.ssh: root@…", "the host was not looked at as root, who alone sees every process's open files")
	name := l.one("pve_node")
	if name == "" {
		name, _, _ = strings.Cut(l.one("host"), ".") // PVE names a node as its host name without the domain (PVE/INotify.pm, nodename)
	}
	c.refuse(name != w.Node, fmt.Sprintf("give host.ssh the address of %s, or move the VM", w.Node), "VM %d is on node %s, host.ssh leads to %q", w.VMID, w.Node, name)
	shown := l.all("certificate")
	matches := slices.ContainsFunc(shown, func(c string) bool { return slices.Contains(w.Certificates, c) })
	c.refuse(len(shown) > 0 && len(w.Certificates) > 0 && !matches, "host.ssh leads to a node of another cluster: correct its address",
		"the host has not the certificate that the API shows for node %s", w.Node)
}

// identity wants the device that was opened to be the volume by the kernel's own account.
func (c *check) identity() {
	l, w := c.look, c.wanted
	if l.one("kind") == "" {
		c.notOpened()
		return
	}
	if l.one("kind") != "block" {
		c.refuse(true, "something replaced the link; udevadm trigger --settle --subsystem-match=block makes it anew", "%s leads to what is no block device (%s)", w.Device, l.one("kind"))
		return
	}
	c.refuse(!zdNode.MatchString(l.Node()), "udev may be late: udevadm trigger --settle, then again", "%s leads to %q, which is no zvol of the kernel's (/dev/zdN)", w.Device, l.Node())
	c.refuse(l.one("zvol_id") != c.dataset(), "the link is wrong or late: udevadm trigger --settle --subsystem-match=block, then again",
		"%s leads to %s, which the kernel says to be %q %s", w.Device, l.Node(), l.one("zvol_id"), l.one("zvol_id_error"))
	size, known := l.number("size")
	c.refuse(!known || size != w.SizeBytes, askUp, "the kernel gives it %s bytes, the lab wants %d", l.one("size"), w.SizeBytes)
	size, known = l.number("zfs_volsize")
	c.refuse(!known || size != w.SizeBytes, askUp, "ZFS gives it %q bytes, the lab wants %d %s", l.one("zfs_volsize"), w.SizeBytes, l.one("zfs_error"))
	seen := l.Identity()
	c.refuse(seen.GUID == "" || seen.CreateTXG == "", "zfs get guid,createtxg shows why", "ZFS does not say which volume it is (guid, createtxg)")
	c.refuse(w.Seen != Identity{} && w.Seen != seen, askUp, "it is another volume than at first: guid %s (createtxg %s), it was %s (%s)",
		seen.GUID, seen.CreateTXG, w.Seen.GUID, w.Seen.CreateTXG)
	_, known = l.number("nwritten")
	c.refuse(!known, "OpenZFS 0.8 or later has /proc/spl/kstat/zfs/POOL/objset-*", "nothing would show afterwards that the right volume was written: ZFS does not count its writes")
}

// notOpened says why the device could not even be looked at.
func (c *check) notOpened() {
	l := c.look
	switch {
	case l.one("zfs_error") != "":
		c.refuse(true, "was it renamed or destroyed? "+askUp, "there is no volume %s: %s", c.dataset(), l.one("zfs_error"))
	case l.one("zfs_keystatus") == "unavailable":
		c.refuse(true, "zfs load-key "+c.dataset(), "the key of the encrypted volume is not loaded")
	case l.one("zfs_volmode") == "none":
		c.refuse(true, "zfs inherit volmode "+c.dataset(), "the volume has no device: volmode=none")
	default:
		c.refuse(true, "look where the link leads; udevadm trigger --settle --subsystem-match=block makes it anew", "%s cannot be opened: %s", c.wanted.Device, l.one("open_error"))
	}
}

// use wants nobody to have the device: not by a mount in any namespace, nor by a device or a process.
func (c *check) use() {
	l := c.look
	for _, user := range []struct{ key, format, remedy string }{
		{"mount", "it is mounted at %s", "unmount it there, or swapoff"},
		{"part", "it has partitions: %s", "no lab makes those"},
		{"holder", "other devices are built on it: %s", "dmsetup, LVM or mdadm shows them"},
		{"loop", "a loop device is on it: %s", "losetup --detach"},
	} {
		c.refuse(len(l.all(user.key)) > 0, user.remedy, user.format, list(l.all(user.key)))
	}
	others := slices.DeleteFunc(slices.Clone(l.all("open")), func(process string) bool {
		pid, _, _ := strings.Cut(process, " ")
		return c.moment == BeforeStop && pid == l.one("qemu")
	})
	c.refuse(len(others) > 0, "end them", "processes have it open: %s", list(others))
	c.refuse(l.one("exclusive") != "yes" && l.one("kind") != "" && !c.readOnly(), "find out who has it: a mount, swap, LVM, a pool, or another labctl",
		"it cannot be held alone: %s", l.one("open_error"))
}

// readOnly says that the volume takes no writes; it cannot be opened for them then.
func (c *check) readOnly() bool {
	return c.look.one("zfs_readonly") == "on" || c.look.one("read_only") == "1"
}

// state wants a volume as PVE makes one, that takes writes, in a pool with room for them.
func (c *check) state() {
	l, name := c.look, c.dataset()
	if l.one("zfs_error") != "" || name == "" {
		return
	}
	c.refuse(l.one("zfs_type") != "volume", "this layer exists for volumes only", "ZFS says that it is a %q, not a volume", l.one("zfs_type"))
	c.refuse(c.readOnly(), "zfs inherit readonly "+name, "it is read-only")
	c.refuse(l.one("zfs_origin") != "-", "no disk of a lab is one", "it is a clone of %q", l.one("zfs_origin"))
	c.refuse(len(l.all("clone")) > 0, "promote or destroy them", "others are clones of it: %s", list(l.all("clone")))
	c.refuse(len(l.all("snapshot")) > 0, "zfs destroy them, and leave it out of what makes snapshots: every write would be allocated anew, and a discard would give nothing back",
		"it has snapshots: %s", list(l.all("snapshot")))
	free, known := l.number("zfs_available")
	c.refuse(!known || free < c.wanted.NeedBytes, "make room, or a smaller size in the suite", "the pool has %q bytes for it, the suite writes up to %d", l.one("zfs_available"), c.wanted.NeedBytes)
}

// content wants the file system of the lab or nothing, and the guest's token.
func (c *check) content() {
	if c.look.one("kind") == "" {
		return
	}
	found, err := c.look.signatures()
	c.refuse(err != nil, "install util-linux 2.33 or later", "what is on it cannot be told: %v", err)
	ours := len(found) == 1 && found[0].Type == "ext4" && found[0].Label != nil && *found[0].Label == fileSystemLabel
	if len(found) > 0 && !ours {
		var names []string
		for _, s := range found {
			names = append(names, s.String())
		}
		c.refuse(true, "look at it with wipefs --no-act", "it holds %s; a lab's disk has one ext4 %q", strings.Join(names, " and "), fileSystemLabel)
	}
	token := c.look.one("token")
	c.refuse(c.wanted.Token.Text == "" || token != c.wanted.Token.Text, "it is not the disk that the guest of VM "+fmt.Sprint(c.wanted.VMID)+" writes to; "+askUp,
		"the token that was written through VM %d is not on it (%q at %d)", c.wanted.VMID, token, c.wanted.Token.OffsetBytes)
}
