package pvesim

import (
	"regexp"
	"slices"
	"strings"
)

// keyPrivileges says which privilege which configuration keys need, by PVE::API2::Qemu. One of several is enough.
var keyPrivileges = []struct {
	keys       string
	privileges []string
}{
	{"cores cpu cpulimit cpuunits numa smp sockets vcpus affinity", []string{"VM.Config.CPU"}},
	{"memory balloon shares hugepages keephugepages", []string{"VM.Config.Memory"}},
	{cloudinitKeys, []string{"VM.Config.Cloudinit", "VM.Config.Network"}},
	{
		"agent autostart bios description keyboard localtime migrate_downtime migrate_speed name onboot ostype protection reboot " +
			"startdate startup tdf template tags freeze spice_enhancements", []string{"VM.Config.Options"},
	},
	{"acpi hotplug kvm machine scsihw smbios1 tablet vga watchdog audio0 rng0 vmgenid arch", []string{"VM.Config.HWType"}},
	{"boot bootdisk vmstatestorage", []string{"VM.Config.Disk"}},
}

// cloudinitKeys go into the cloud-init drive, beside ipconfig0 and so on.
const cloudinitKeys = "cicustom cipassword citype ciuser nameserver searchdomain sshkeys ciupgrade"

var (
	ipconfigKey = regexp.MustCompile(`^ipconfig\d+$`)
	serialKey   = regexp.MustCompile(`^serial\d+$`)
	numaKey     = regexp.MustCompile(`^numa\d+$`)
)

func isCloudinitKey(key string) bool {
	return slices.Contains(strings.Fields(cloudinitKeys), key) || ipconfigKey.MatchString(key)
}

// privilegesFor returns what a configuration key needs; nothing is known of keys that are root's alone.
func privilegesFor(key string) []string {
	for _, row := range keyPrivileges {
		if slices.Contains(strings.Fields(row.keys), key) {
			return row.privileges
		}
	}
	switch {
	case numaKey.MatchString(key):
		return []string{"VM.Config.CPU"}
	case ipconfigKey.MatchString(key):
		return []string{"VM.Config.Cloudinit", "VM.Config.Network"}
	case isNetKey(key):
		return []string{"VM.Config.Network"}
	case serialKey.MatchString(key):
		return []string{"VM.Config.HWType"}
	}
	return nil
}

// checkKeyPermission is the privilege check for one configuration key. Disks are left out: theirs comes later.
func (k *call) checkKeyPermission(vmid int, pool, key, value string) error {
	if isDriveKey(key) || k.who.isRoot() {
		return nil
	}
	needed := privilegesFor(key)
	switch {
	case needed == nil:
		return failure("only root can set '%s' config", key)
	case serialKey.MatchString(key) && value != "" && value != "socket":
		return failure("only root can modify '%s' config for real devices", key)
	}
	if err := k.requireVM(vmid, pool, needed...); err != nil {
		return err
	}
	switch {
	case isNetKey(key):
		return k.requireBridge(value)
	case key == "startup":
		return k.require("/", "Sys.Modify")
	case key == "cpu":
		before := ""
		if v := k.vms[vmid]; v != nil {
			before = v.config["cpu"]
		}
		return k.requireModel(value, before)
	}
	return nil
}

// requireVM fails unless the caller has one of the privileges on the VM, or on the pool that it goes into.
func (k *call) requireVM(vmid int, pool string, any ...string) error {
	if k.who.isRoot() || pool != "" && k.holds("/pool/"+pool, any...) {
		return nil
	}
	return k.requireAny(vmPath(vmid), any...)
}

// requireModel fails unless the caller may use the CPU model, when it is one of the administrator's and another than
// before. 8 has no such check (qemu-server 9.2.6, API2/Qemu.pm:738-757).
func (k *call) requireModel(value, before string) error {
	name, custom := strings.CutPrefix(cpuType(value), "custom-")
	if !custom || k.major < 9 || k.who.isRoot() || cpuType(value) == cpuType(before) {
		return nil
	}
	return k.require("/mapping/cpu/"+name, "Mapping.Use")
}

// cpuType is the model in a cpu value, which may stand first without its key.
func cpuType(value string) string {
	for part := range strings.SplitSeq(value, ",") {
		if key, rest, named := strings.Cut(part, "="); !named {
			return key
		} else if key == "cputype" {
			return rest
		}
	}
	return ""
}

// requireBridge fails unless the caller may plug VMs into the bridge of a network device.
func (k *call) requireBridge(value string) error {
	options := parseOptions(value)
	bridge := options["bridge"]
	if bridge == "" || k.who.isRoot() {
		return nil
	}
	path := "/sdn/zones/localnetwork/" + bridge
	if tag := options["tag"]; tag != "" {
		path += "/" + tag
	}
	return k.require(path, "SDN.Use")
}

// checkDriveAccess is the early check of a drive that a request sets: the storage must exist, take images, and be the
// caller's to use.
func (k *call) checkDriveAccess(vmid int, d drive) error {
	if d.volume == "none" || d.volume == "cdrom" {
		return nil
	}
	store, name, ok := splitVolume(d.volume)
	if !ok {
		if k.who.isRoot() {
			return nil
		}
		return k.onlyRootPaths()
	}
	s, err := k.storageNamed(store)
	if err != nil {
		return err
	}
	if _, isNew := parseGiB(name); !isNew && name != "cloudinit" {
		return k.checkVolumeAccess(vmid, d.volume)
	}
	if err := k.require("/storage/"+store, "Datastore.AllocateSpace"); err != nil {
		return err
	}
	if !s.offers("images") {
		return badParameter("storage", "storage '%s' does not support vm images", store)
	}
	if source := d.options["import-from"]; source != "" {
		return k.checkImport(vmid, source)
	}
	return nil
}

// checkImport is the check of the image that a new disk is filled from.
func (k *call) checkImport(vmid int, source string) error {
	if strings.HasPrefix(source, "/") {
		if k.who.isRoot() {
			return nil
		}
		return k.onlyRootPaths()
	}
	store, name, _ := splitVolume(source)
	if s, err := k.storageNamed(store); err == nil {
		if kind, _, err := s.parseName(name); err == nil && kind != "images" && kind != "import" {
			return badParameter("import-from", "%s has wrong type '%s' - needs to be 'images' or 'import'", source, kind)
		}
	}
	if err := k.checkVolumeAccess(vmid, source); err != nil {
		return err
	}
	if _, ok := k.volume(source); !ok {
		return failure("volume '%s' does not exist", source)
	}
	return nil
}

// checkVolumeAccess is PVE::Storage::check_volume_access. It also decides what a list of volumes shows.
func (k *call) checkVolumeAccess(vmid int, volid string) error {
	store, name, _ := splitVolume(volid)
	s, err := k.storageNamed(store)
	if err != nil {
		return err
	}
	content, owner, err := s.parseName(name)
	if err != nil {
		return failure("%v", err)
	}
	path := "/storage/" + store
	switch {
	case k.holds(path, "Datastore.Allocate"):
		return nil
	case content == "iso" || content == "vztmpl" || content == "import":
		return k.requireAny(path, "Datastore.AllocateSpace", "Datastore.Audit")
	case owner != 0 && owner == vmid:
		return nil
	case owner != 0:
		if err := k.require(path, "Datastore.Audit"); err != nil {
			return err
		}
		return k.require(vmPath(owner), "VM.Config.Disk")
	}
	return failure("missing privileges to access %s", volid)
}

// onlyRootPaths is the refusal of a path on the host; the place in Proxmox's source shows through.
func (c *Cluster) onlyRootPaths() error {
	line := 651
	if c.major == 8 {
		line = 581
	}
	return failure("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line %d.", line)
}
