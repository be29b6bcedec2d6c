package pvesim

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// vm is one virtual machine: its configuration file and, while it runs, its process.
type vm struct {
	id        int
	node      string
	config    map[string]string
	pending   map[string]string // set while running, effective with the next start
	removed   map[string]bool   // deleted while running, likewise
	snapshots []*snapshot

	process *process // nil while stopped
	byHA    bool     // the HA manager starts and stops it
}

// process is a running QEMU.
type process struct {
	pid     int
	started time.Time
	paused  bool
	guest   Guest // nil: nothing bootable was on its disks
}

func (c *Cluster) newVM(id int, node string) *vm {
	return &vm{id: id, node: node, config: map[string]string{}, pending: map[string]string{}, removed: map[string]bool{}}
}

func (v *vm) running() bool  { return v.process != nil }
func (v *vm) template() bool { return v.config["template"] == "1" }
func (v *vm) path() string   { return fmt.Sprintf("/vms/%d", v.id) }

// name is the name as lists show it.
func (v *vm) name() string {
	if name, ok := v.config["name"]; ok {
		return name
	}
	return fmt.Sprintf("VM %d", v.id)
}

// checkLock fails when something else has the VM under way.
func (v *vm) checkLock() error {
	if lock, ok := v.config["lock"]; ok {
		return failure("VM is locked (%s)", lock)
	}
	return nil
}

// text is the configuration file.
func (v *vm) text() string {
	var b strings.Builder
	for line := range strings.Lines(v.config["description"]) {
		b.WriteString("#" + url.PathEscape(strings.TrimSuffix(line, "\n")) + "\n")
	}
	for _, key := range sortedKeys(v.config) {
		if key != "description" {
			fmt.Fprintf(&b, "%s: %s\n", key, v.config[key])
		}
	}
	if len(v.pending)+len(v.removed) > 0 {
		b.WriteString("\n[PENDING]\n")
	}
	if len(v.removed) > 0 {
		fmt.Fprintf(&b, "delete: %s\n", strings.Join(sortedKeys(v.removed), ","))
	}
	for _, key := range sortedKeys(v.pending) {
		fmt.Fprintf(&b, "%s: %s\n", key, v.pending[key])
	}
	return b.String()
}

// digest is the SHA-1 of the configuration file.
func (v *vm) digest() string {
	sum := sha1.Sum([]byte(v.text()))
	return hex.EncodeToString(sum[:])
}

// effective is the configuration with what is pending as if it were set already.
func (v *vm) effective() map[string]string {
	config := maps.Clone(v.config)
	for key := range v.removed {
		delete(config, key)
	}
	maps.Copy(config, v.pending)
	return config
}

// drives returns the keys of all drives in order, unused ones left out.
func (v *vm) drives() []string {
	return slices.DeleteFunc(sortedKeys(v.config), func(key string) bool { return !isDriveKey(key) || isUnused(key) })
}

// bootDisk is the first disk of the boot order, or the first disk at all.
func (v *vm) bootDisk() (drive, bool) {
	order := strings.Split(strings.TrimPrefix(v.config["boot"], "order="), ";")
	for _, key := range append(order, v.drives()...) {
		if value, ok := v.config[key]; ok && isDriveKey(key) {
			if d := parseDrive(value); !d.isCDROM() && d.hasVolume() {
				return d, true
			}
		}
	}
	return drive{}, false
}

func (v *vm) number(key string, otherwise int64) int64 {
	n, err := strconv.ParseInt(strings.TrimPrefix(v.config[key], "current="), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func (v *vm) cpus() int {
	return int(v.number("cores", 1) * v.number("sockets", 1))
}

func (v *vm) memory() int64 { return v.number("memory", 512) << 20 }

// findVM returns the VM if it is on the given node; the error is that of a missing configuration file.
func (c *Cluster) findVM(node string, id int) (*vm, error) {
	v, ok := c.vms[id]
	if !ok || v.node != node && node != "localhost" {
		return nil, failure("Configuration file 'nodes/%s/qemu-server/%d.conf' does not exist", node, id)
	}
	return v, nil
}

// vm is the VM of the path.
func (k *call) vm() (*vm, error) { return k.findVM(k.node(), k.vmid()) }

// run makes the VM run now. What its disks hold decides whether anything boots.
func (v *vm) run(c *Cluster, guest Guest) {
	c.lastPID++
	v.process = &process{pid: c.lastPID, started: c.clock, guest: guest}
}

// bootable reports whether there is something on the boot disk.
func (c *Cluster) bootable(v *vm) bool {
	d, ok := v.bootDisk()
	if !ok {
		return false
	}
	disk, known := c.volumeOn(v.node, d.volume)
	return known && disk.holdsSystem
}

// guestSpec describes the VM to whatever plays the guest.
func (c *Cluster) guestSpec(v *vm) GuestSpec {
	spec := GuestSpec{
		VMID: v.id, UUID: parseOptions(v.config["smbios1"])["uuid"], Name: v.name(), CIUser: v.config["ciuser"],
		Cores: v.cpus(), MemoryMiB: v.memory() >> 20, Started: c.clock, Config: maps.Clone(v.config),
	}
	delete(spec.Config, "description")
	if keys, err := url.PathUnescape(v.config["sshkeys"]); err == nil {
		for line := range strings.Lines(keys) {
			if line = strings.TrimSpace(line); line != "" {
				spec.SSHKeys = append(spec.SSHKeys, line)
			}
		}
	}
	ip := parseOptions(v.config["ipconfig0"])
	if prefix, err := netip.ParsePrefix(ip["ip"]); err == nil {
		spec.Addresses = []netip.Prefix{prefix}
	}
	if gateway, err := netip.ParseAddr(ip["gw"]); err == nil {
		spec.Gateway = gateway
	}
	first, _, _ := strings.Cut(v.config["net0"], ",")
	_, spec.MAC, _ = strings.Cut(first, "=")
	for _, key := range v.drives() {
		c.addDrive(&spec, v, key)
	}
	return spec
}

// addDrive describes one drive: a disk, the cloud-init drive, or a CD.
func (c *Cluster) addDrive(spec *GuestSpec, v *vm, key string) {
	d := parseDrive(v.config[key])
	real, known := c.volumeOn(v.node, d.volume)
	switch {
	case !d.hasVolume():
	case d.isCloudinit():
		spec.CloudInit = c.cloudInit(v, key)
	case d.isCDROM() && known:
		spec.ISOs = append(spec.ISOs, GuestISO{Slot: key, Volume: d.volume, Content: real.data})
	case d.isCDROM():
	default:
		disk := GuestDisk{Slot: key, Volume: d.volume, SizeBytes: d.size(), Serial: d.options["serial"], Options: d.options}
		if known {
			disk.SizeBytes, disk.System, disk.Linked = real.size, real.holdsSystem, real.base != nil
		}
		spec.Disks = append(spec.Disks, disk)
	}
}
