package plan

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// Treatment says what labctl does about a configuration key that a clone has from its template.
type Treatment string

// The treatments.
const (
	Decided  Treatment = "set"    // the lab decides: `up` sets it in every clone
	Reset    Treatment = "reset"  // `up` gives every clone PVE's default
	Refused  Treatment = "refuse" // it spoils a measurement, and only root may clear it: `up` makes no VM
	Reported Treatment = "report" // it stays; doctor tells it, and it is kept with the results
	Recorded Treatment = "record" // it stays, and is kept with the results
	Kept     Treatment = "keep"   // it stays, and changes nothing that is measured
)

// inheritance is what labctl does about some keys.
type inheritance struct {
	keys      string // N stands for a number
	treatment Treatment
	usual     string // the values with which there is nothing to do, as without the key
	warns     bool   // what is reported may spoil a measurement
	why       string
	source    string // where qemu-server 9.2.6 shows it, below src/PVE
}

// inheritances has a row for every key that a VM can have. A clone gets all of its template but unusedN, template, lock and
// what belongs to snapshots (qemu-server 9.2.6, PVE/API2/Qemu.pm 4508-4569; recorded in second-8.4/43 clone.linked.config).
// Only root may set or clear what is in none of the tables of Qemu.pm 794-872 (1064, "only root can set").
func inheritances() []inheritance {
	return slices.Concat(decided(), reset(), refused(), reported(), kept())
}

func decided() []inheritance {
	return []inheritance{
		{"name description", Decided, "", false, "the clone's own name and labctl's owner mark", ""},
		{"cores memory", Decided, "", false, "`vms` of the lab file", ""},
		{"balloon", Decided, "", false, "0: the guest keeps its memory", "QemuServer.pm 3546"},
		{"agent", Decided, "", false, "`enabled=1`: labctl asks the guest agent for addresses and the host key", ""},
		{"onboot", Decided, "", false, "0: a throw-away VM does not start with the node", ""},
		{"protection", Decided, "", false, "0: PVE does not remove a protected VM", "API2/Qemu.pm 2829"},
		{"tags", Decided, "", false, "`labctl` in place of the template's", ""},
		{"scsihw", Decided, "", false, "`virtio-scsi-single` where the data disk wants an I/O thread, else the template's", ""},
		{"net0", Decided, "", false, "bridge of the lab file, link up; the other options stay the template's", ""},
		{"ciuser sshkeys ciupgrade ipconfig0", Decided, "", false, "the account, key and address that labctl logs in with", ""},
	}
}

func reset() []inheritance {
	return []inheritance{
		{"sockets smp", Reset, "1", false, "the vCPUs are sockets × cores", "QemuServer.pm 3371-3377"},
		{"vcpus", Reset, "0", false, "the VM starts with that many vCPUs", "QemuServer.pm 3379"},
		{"cpulimit", Reset, "0", false, "it bounds the VM's CPU time", "QemuServer.pm 5796"},
		{"cpuunits", Reset, "", false, "it weighs the VM's CPU time against other VMs'", "QemuServer.pm 5762"},
		{"numa numaN", Reset, "0", false, "it changes the topology that the guest sees", "QemuServer/Memory.pm"},
		{"hotplug", Reset, "", false, "with cpu or memory in it they are plugged in piece by piece, and need numa", "QemuServer.pm 3385, Memory.pm 364"},
		{"freeze", Reset, "0", false, "the VM would not begin to run", "QemuServer.pm 3455"},
		{"reboot", Reset, "1", false, "the VM would end when its guest reboots", "QemuServer.pm 3403"},
	}
}

func refused() []inheritance {
	return []inheritance{
		{"args", Refused, "", false, "QEMU gets options that nobody can check", ""},
		{"hookscript", Refused, "", false, "a script runs on the node at every start and stop of the clones", ""},
		{"affinity", Refused, "", false, "the vCPUs of all clones are bound to the same CPUs", "QemuServer.pm, taskset"},
		{"hugepages keephugepages", Refused, "", false, "the memory is of huge pages, which must be free on the node", "QemuServer.pm 5840"},
	}
}

func reported() []inheritance {
	return []inheritance{
		{"kvm", Reported, "1", true, "without KVM every instruction of the guest is emulated", ""},
		{"amd-sev intel-tdx", Reported, "", true, "with encrypted memory all I/O goes through bounce buffers", ""},
		{"allow-ksm", Reported, "1", false, "whether the node merges equal pages of memory", ""},
		{"acpi", Reported, "1", true, "the guest has no ACPI", ""},
		{"netN", Reported, "", true, "a further network device, to which labctl gives no address", ""},
		{"nameserver searchdomain", Reported, "", false, "the guests get it; without it PVE hands on the node's own", ""},
		{"cicustom", Reported, "", true, "further cloud-init data, which all clones share", ""},
		{"hostpciN usbN virtiofsN", Reported, "", true, "a device of the node, which one VM at a time may have", ""},
		{"ivshmem parallelN", Reported, "", true, "a device of the node, which all clones share", ""},
		{"cpu machine bios", Recorded, "", false, "the hardware that the guest sees", ""},
	}
}

func kept() []inheritance {
	return []inheritance{
		{"scsiN virtioN sataN ideN efidiskN tpmstateN cdrom", Kept, "", false, "drives, which are looked at one by one", ""},
		{"startup", Kept, "", false, "no effect without onboot", ""},
		{"shares", Kept, "", false, "no effect with balloon 0", ""},
		{"vmgenid smbios1", Kept, "", false, "PVE makes a new one for every clone", "API2/Qemu.pm 4592-4599"},
		{"boot bootdisk", Kept, "", false, "the disk that is booted from", ""},
		{"ipconfigN", Kept, "", false, "addresses of further network devices", ""},
		{"cipassword citype", Kept, "", false, "cloud-init's own", ""},
		{"serialN vga audioN tablet keyboard watchdog rngN spice_enhancements", Kept, "", false, "devices that no measurement uses", ""},
		{"ostype localtime startdate tdf arch", Kept, "", false, "what the guest is", ""},
		{"autostart migrate_downtime migrate_speed vmstatestorage", Kept, "", false, "not used in a lab's life", ""},
		{"lock template unusedN", Kept, "", false, "not copied into a clone", ""},
		{"digest meta parent snaptime vmstate snapstate runningcpu runningmachine running-nets-host-mtu", Kept, "", false, "PVE's own", ""},
	}
}

// Inheritance is one key, or one option of a key, of a template that deserves a word.
type Inheritance struct {
	Key       string // such as cpulimit, or "net0 rate"
	Value     string
	Treatment Treatment
	Warns     bool // what is reported may spoil a measurement
	Why       string
}

// IsOption says that it is an option of a key, which has no command of its own to remove it.
func (i Inheritance) IsOption() bool { return strings.Contains(i.Key, " ") }

// Inherited is what a template hands on to its clones that they should not have, or that a reader of results should know.
func Inherited(lab *labspec.Lab, template inventory.Config) []Inheritance {
	var found []Inheritance
	for _, key := range slices.Sorted(maps.Keys(template.Raw)) {
		value := template.Raw[key]
		row := rowOf(key, value)
		told := row.treatment != Decided && row.treatment != Kept
		if told && !slices.Contains(strings.Fields(row.usual), value) && !overruled(lab, key) {
			found = append(found, Inheritance{key, value, row.treatment, row.warns, row.why})
		}
	}
	return slices.Concat(found, inheritedOptions(template))
}

// overruled says that the lab file sets a key that is otherwise the template's.
func overruled(lab *labspec.Lab, key string) bool {
	return key == "nameserver" && lab.Network.Nameserver.IsValid()
}

// exception is the row of a key whose value decides.
func exception(key, value string) (inheritance, bool) {
	isDevice := strings.HasPrefix(key, "hostpci") || strings.HasPrefix(key, "usb")
	switch {
	case isDevice && strings.HasPrefix(strings.TrimPrefix(value, "host="), "spice"):
		return inheritance{key, Kept, "", false, "of the console", ""}, true
	case isDevice && optionOf(value, "mapping") == "":
		return inheritance{key, Refused, "", false, "a device of the node, with which PVE makes no clone for a token", "QemuServer.pm 6437-6451"}, true
	case key == "hotplug" && !strings.Contains(value, "cpu") && !strings.Contains(value, "memory"):
		return inheritance{key, Kept, "", false, "only devices are plugged in", ""}, true
	case key == "cicustom" && optionOf(value, "user") != "":
		return inheritance{key, Refused, "", false, "its user data replaces the account and the key that labctl logs in with", ""}, true
	}
	return inheritance{}, false
}

var number = regexp.MustCompile(`[0-9]+$`)

// unknownKey is why a key of a later PVE is told.
const unknownKey = "labctl does not know this key"

// rowOf finds the row of a key: its own, or the one for all numbers. A key that is in no row is one of a later PVE.
func rowOf(key, value string) inheritance {
	if row, ok := exception(key, value); ok {
		return row
	}
	for _, name := range []string{key, number.ReplaceAllString(key, "N")} {
		for _, row := range inheritances() {
			if slices.Contains(strings.Fields(row.keys), name) {
				return row
			}
		}
	}
	return inheritance{key, Reported, "", false, unknownKey, ""}
}

// toReset are the keys of a configuration that `up` sets to PVE's default, by deleting them.
func toReset(config inventory.Config) []string {
	var keys []string
	for _, key := range slices.Sorted(maps.Keys(config.Raw)) {
		if row := rowOf(key, config.Raw[key]); row.treatment == Reset && !slices.Contains(strings.Fields(row.usual), config.Raw[key]) {
			keys = append(keys, key)
		}
	}
	return keys
}
