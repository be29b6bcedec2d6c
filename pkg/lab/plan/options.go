package plan

import (
	"slices"
	"strings"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// netOptions are those of net0 that clones keep and that are worth telling (qm(1), net[n]).
const netOptions = "rate tag trunks mtu queues firewall link_down"

// IsThrottle says that an option of a drive bounds its speed (qemu-server 9.2.6, PVE/QemuServer/Drive.pm, throttles: bps,
// mbps and iops with _rd, _wr, _max and _length).
func IsThrottle(option string) bool {
	name, _, _ := strings.Cut(option, "_")
	return name == "bps" || name == "mbps" || name == "iops"
}

// oddDriveOptions are those of the OS disk, besides throttles, that change how it works.
const oddDriveOptions = "snapshot ro"

// inheritedOptions are the options of net0 and of the OS disk that clones inherit.
func inheritedOptions(template inventory.Config) []Inheritance {
	var found []Inheritance
	for _, option := range optionsOf(template.Raw["net0"]) {
		switch {
		case option.Key == "link_down" && option.Value == "1":
			found = append(found, Inheritance{"net0 link_down", option.Value, Reset, false, "the guest would have no network"})
		case option.Key != "link_down" && slices.Contains(strings.Fields(netOptions), option.Key):
			found = append(found, Inheritance{"net0 " + option.Key, option.Value, Reported, false, "the clones' network keeps it, also on another bridge"})
		}
	}
	slot, _ := OSSlot(template)
	for _, option := range optionsOf(template.Raw[slot]) {
		if IsThrottle(option.Key) || option.Value == "1" && slices.Contains(strings.Fields(oddDriveOptions), option.Key) {
			found = append(found, Inheritance{slot + " " + option.Key, option.Value, Reported, true, "it holds for the OS disk, and so for boot and preparation; the data disk is made without it"})
		}
	}
	return found
}

// FactPrefix begins the names of the facts about a VM that its template decided.
const FactPrefix = "pve_"

// InheritedFacts are what a VM has from its template that a reader of its results should know, such as pve_cpu or
// pve_net0_rate.
func InheritedFacts(lab *labspec.Lab, config inventory.Config) map[string]string {
	facts := map[string]string{}
	for _, key := range Inherited(lab, config) {
		if key.Treatment == Reported || key.Treatment == Recorded {
			facts[FactPrefix+strings.NewReplacer(" ", "_", "-", "_").Replace(key.Key)] = key.Value
		}
	}
	return facts
}

// optionsOf splits a value such as "virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20", in its order.
func optionsOf(value string) []Setting {
	var options []Setting
	for part := range strings.SplitSeq(value, ",") {
		key, text, _ := strings.Cut(part, "=")
		if key != "" {
			options = append(options, Setting{key, text})
		}
	}
	return options
}

// optionOf is one of them, "" when it is not there.
func optionOf(value, key string) string {
	for _, option := range optionsOf(value) {
		if option.Key == key {
			return option.Value
		}
	}
	return ""
}

// NetDevice is what net0 of a clone has to be, without a MAC address, and whether `up` has to set it: when the lab wants
// another bridge than the template, or the template's link is down. VLAN, MTU and all else stay as the template has them.
func NetDevice(lab *labspec.Lab, template inventory.Config) (value string, set bool) {
	device, bridge := template.Raw["net0"], lab.Network.Bridge
	set = optionOf(device, "link_down") == "1" || bridge != "" && optionOf(device, "bridge") != bridge
	parts := []string{"virtio"}
	for i, option := range optionsOf(device) {
		switch {
		case i == 0:
			parts[0] = option.Key // the model, whose value is the MAC address
		case option.Key == "link_down":
		case option.Key == "bridge" && bridge != "":
		default:
			parts = append(parts, option.Key+"="+option.Value)
		}
	}
	if bridge != "" {
		parts = slices.Insert(parts, 1, "bridge="+bridge)
	}
	return strings.Join(parts, ","), set
}
