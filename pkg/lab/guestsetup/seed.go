// Package guestsetup says what a guest gets from us to become measurable: the cloud-init settings that PVE hands to it at its
// first boot, and the scripts that are run in it afterwards.
package guestsetup

import (
	"labctl/cloudinit"
	"labctl/pkg/labspec"
)

// Param is one key of a VM's configuration on PVE.
type Param struct{ Key, Value string }

// Cloud returns PVE's own cloud-init keys (qm(1), "Cloud-Init") for the VM with the given index in the lab; all but
// sshkeys, whose encoding is PVE's.
func Cloud(lab *labspec.Lab, index int) []Param {
	params := []Param{
		{"ciuser", lab.User},
		{"ipconfig0", ipconfig(lab.Network, index)},
		{"ciupgrade", "0"}, // PVE's default is an upgrade at the first boot, in the middle of the measurement
	}
	if lab.Network.Nameserver.IsValid() {
		params = append(params, Param{"nameserver", lab.Network.Nameserver.String()})
	}
	if lab.CloudInit.Mode == labspec.CloudInitSnippet {
		params = append(params, Param{"cicustom", "vendor=" + lab.CloudInit.Snippet})
	}
	return params
}

// ipconfig is the address of a VM. A static range has enough addresses for the lab, or the spec would be invalid.
func ipconfig(network labspec.Network, index int) string {
	address, static := network.AddressOf(index)
	if !static {
		return "ip=dhcp"
	}
	config := "ip=" + address.String()
	if network.Gateway.IsValid() {
		config += ",gw=" + network.Gateway.String()
	}
	return config
}

// Script is a POSIX shell script and the variables (KEY=value) that it reads from its environment.
type Script struct {
	Text string
	Env  []string
}

// Prepare is run in a VM as its cloud-init user: it makes the VM fit for measuring and prints its facts. It may be run
// any number of times.
func Prepare(vm labspec.VM) Script {
	return Script{
		Text: cloudinit.Prepare + cloudinit.Facts,
		Env:  []string{"LABCTL_SERIAL=" + labspec.DataDiskSerial, "LABCTL_MOUNT=" + vm.DataDisk.Mount},
	}
}

// Facts prints the facts of a VM that was prepared before.
func Facts(vm labspec.VM) Script {
	return Script{Text: cloudinit.Facts, Env: []string{"LABCTL_MOUNT=" + vm.DataDisk.Mount}}
}

// HostFacts prints the facts of the PVE host, with fio running in the directory.
func HostFacts(directory string) Script {
	return Script{Text: cloudinit.Facts, Env: []string{"LABCTL_TARGET=host", "LABCTL_MOUNT=" + directory}}
}
