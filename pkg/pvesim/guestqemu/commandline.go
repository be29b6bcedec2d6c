package guestqemu

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"labctl/pkg/pvesim"
)

// The files and sockets of a VM, in its folder, which is QEMU's working directory: the paths of sockets may not be longer
// than about 100 bytes (unix(7)), so they must not depend on where the sandbox is.
const (
	qmpSocket     = "qmp"
	agentSocket   = "qga"
	serialSocket  = "serial0"
	consoleFile   = "console.log"
	outputFile    = "qemu.log"
	cloudInitFile = "cloudinit.iso"
)

// platform is what the command line says that does not come from the VM's configuration.
type platform struct {
	KVM bool
	// Kernel, Initrd and Append boot the system directly; empty: what is on the boot disk does.
	Kernel, Initrd, Append string
	// Disks are the files that stand for the volumes, by slot.
	Disks map[string]diskFile
	// Network is the value of -netdev.
	Network string
}

// diskFile is an image file of QEMU.
type diskFile struct{ Path, Format string }

// commandLine is QEMU's command line for a VM, as qemu-server builds it from the configuration (PVE/QemuServer.pm,
// config_to_command). Other than there, volumes are files, the network is QEMU's own in user mode, the monitor is in the
// VM's folder, the serial console is kept in a file, and without KVM the CPU and the accelerator are what emulation can do.
func commandLine(spec pvesim.GuestSpec, on platform) []string {
	var line arguments
	line.add("-name", spec.Name+",debug-threads=on")
	line.add("-chardev", "socket,id=qmp,path="+qmpSocket+",server=on,wait=off")
	line.add("-mon", "chardev=qmp,mode=control")
	line.add("-smbios", "type=1,uuid="+spec.UUID)
	line.add("-smp", smp(spec))
	line.add("-nodefaults", "-no-user-config")
	line.add("-boot", "strict=on,reboot-timeout=1000")
	line.add("-nographic")
	line.addCPU(spec.Config["cpu"], on.KVM)
	line.add("-m", strconv.FormatInt(spec.MemoryMiB, 10))
	line.addKernel(on)
	line.addBridges()
	if id := spec.Config["vmgenid"]; id != "" {
		line.add("-device", "vmgenid,guid="+id)
	}
	line.addConsole()
	if enabled(spec.Config["agent"]) {
		line.add("-chardev", "socket,path="+agentSocket+",server=on,wait=off,id=qga0")
		line.add("-device", "virtio-serial,id=qga0,bus=pci.0,addr=0x8")
		line.add("-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0")
	}
	if spec.Config["balloon"] != "0" {
		line.add("-device", "virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x3,free-page-reporting=on")
	}
	line.add("-object", "rng-random,id=rng0,filename=/dev/urandom")
	line.add("-device", "virtio-rng-pci,rng=rng0,bus=pci.1,addr=0x1d")
	line.addDrives(spec, on)
	if spec.MAC != "" {
		line.add("-netdev", on.Network)
		line.add("-device", "virtio-net-pci,mac="+spec.MAC+",netdev=net0,bus=pci.0,addr=0x12,id=net0,rx_queue_size=1024,tx_queue_size=256,romfile=")
	}
	line.add("-machine", "smm=off,type=pc")
	return line
}

// arguments is a command line that grows.
type arguments []string

func (a *arguments) add(words ...string) { *a = append(*a, words...) }

// smp is the value of -smp.
func smp(spec pvesim.GuestSpec) string {
	sockets := cmp.Or(number(spec.Config["sockets"]), 1)
	return fmt.Sprintf("%d,sockets=%d,cores=%d,maxcpus=%d", spec.Cores, sockets, spec.Cores/sockets, spec.Cores)
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // absent or not a number: 0
	return n
}

// enabled reads the agent's setting: "1", "enabled=1,...".
func enabled(agent string) bool {
	first, _, _ := strings.Cut(agent, ",")
	return strings.TrimPrefix(first, "enabled=") == "1"
}

// addCPU gives a VM the CPU of its configuration with KVM. In emulation one CPU does: qemu64 without what breaks there.
// cmpxchg16b of QEMU 7.2 made kernels of Linux 6.12 crash with several CPUs, svm only makes boots longer. The cache of
// translated code is bounded: by default it may take a gigabyte for each VM.
func (a *arguments) addCPU(configured string, kvm bool) {
	if !kvm {
		a.add("-cpu", "qemu64,-svm,-cx16", "-accel", "tcg,thread=multi,tb-size=256")
		return
	}
	model, _, _ := strings.Cut(strings.TrimPrefix(configured, "cputype="), ",")
	switch model {
	case "", "kvm64":
		model = "kvm64,enforce,+kvm_pv_eoi,+kvm_pv_unhalt,+lahf_lm,+sep"
	case "host", "max":
	default:
		model += ",enforce,+kvm_pv_eoi,+kvm_pv_unhalt"
	}
	a.add("-cpu", model, "-accel", "kvm")
}

func (a *arguments) addKernel(on platform) {
	if on.Kernel != "" {
		a.add("-kernel", on.Kernel, "-initrd", on.Initrd, "-append", on.Append)
	}
}

// addBridges adds the PCI bridges of the machine type pc (QemuServer/PCI.pm).
func (a *arguments) addBridges() {
	for i, slot := range []string{"0x1e", "0x1f", "0x5"} {
		a.add("-device", fmt.Sprintf("pci-bridge,id=pci.%d,chassis_nr=%d,bus=pci.0,addr=%s", i+1, i+1, slot))
	}
}

// addConsole adds the serial console, and keeps what is written there.
func (a *arguments) addConsole() {
	a.add("-chardev", "socket,id=serial0,path="+serialSocket+",server=on,wait=off,logfile="+consoleFile+",logappend=on")
	a.add("-device", "isa-serial,chardev=serial0")
}

// addDrives adds the disks and the CDs.
func (a *arguments) addDrives(spec pvesim.GuestSpec, on platform) {
	if spec.CloudInit != nil {
		a.addCD(spec.CloudInit.Slot, cloudInitFile)
	}
	for _, iso := range spec.ISOs {
		a.addCD(iso.Slot, isoFile(iso.Slot))
	}
	order := bootOrder(spec)
	controllers := map[string]bool{}
	for _, disk := range spec.Disks {
		file, ok := on.Disks[disk.Slot]
		if !ok {
			continue
		}
		a.addController(disk, spec.Config["scsihw"], controllers)
		a.add("-drive", drive(disk, file))
		a.add("-device", device(disk, spec.Config["scsihw"], order))
	}
}

func isoFile(slot string) string { return slot + ".iso" }

// bootOrder are the slots that the firmware tries, in order.
func bootOrder(spec pvesim.GuestSpec) []string {
	for field := range strings.SplitSeq(spec.Config["boot"], ",") {
		if order, ok := strings.CutPrefix(field, "order="); ok {
			return strings.Split(order, ";")
		}
	}
	for _, disk := range spec.Disks {
		return []string{disk.Slot}
	}
	return nil
}

// bootIndex is the option of a device that the firmware tries, or nothing.
func bootIndex(order []string, slot string) string {
	if i := slices.Index(order, slot); i >= 0 {
		return fmt.Sprintf(",bootindex=%d", 100+i)
	}
	return ""
}
