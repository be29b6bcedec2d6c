// Package zvol guards the layer host-zvol: fio on the PVE host writes to the very zvol that is a stopped VM's data disk,
// past every file system. One wrong device there is somebody's data, so a row of interlocks stands before every write;
// each alone is enough to refuse. Who the device is, is asked of the kernel and of the disk, never of a name.
package zvol

import (
	"fmt"
	"strings"
)

// Wanted is the disk that the lab means.
type Wanted struct {
	VM        string // name in the lab spec
	VMID      int
	Node      string // that PVE says the VM to be on
	Volume    string // volume ID in the VM's configuration, such as "zfs:vm-101-disk-1"
	Device    string // where PVE says that the volume is, such as "/dev/zvol/rpool/data/vm-101-disk-1"
	SizeBytes int64  // by the lab spec
	Serial    string // by which the lab knows its data disks
	// Certificates are the SHA-256 fingerprints of the node's TLS certificates, as PVE's API tells them; none when it does not.
	Certificates []string
	// NeedBytes is how much the largest workload writes: the pool has to have as much.
	NeedBytes int64
	// InSpec and ByFlag are the two confirmations: the lab lists the VM among those whose disk may be overwritten, and
	// so does the command line.
	InSpec, ByFlag bool
	// Token is what the guest wrote to the disk, or what the trial before left there.
	Token Token
	// Seen is the volume of the first look; every later one has to be of the same.
	Seen Identity
}

// VMState is what PVE says of the VM, read right before the decision.
type VMState struct {
	Running    bool
	Lock       string // of its configuration, "" for none
	Ours       bool   // it carries the mark of this lab run
	Template   bool
	Node       string // that it is on now
	Volume     string // of the data disk, as configured
	Serial     string // of the data disk, as configured
	SizeBytes  int64  // of the data disk, as configured
	UsesVolume int    // how many drives of the VM name the volume
}

// Moment is when the interlocks are asked.
type Moment int

// The moments. What differs is whether the VM runs, and with it QEMU.
const (
	BeforeStop Moment = iota
	BeforeWrite
)

// Reason is one interlock that stands in the way.
type Reason struct{ Problem, Remedy string }

// RefusedError says which interlocks stand in the way. Nothing was written.
type RefusedError struct {
	Device  string
	Reasons []Reason
}

// Error has all of them, each with what to do.
func (e *RefusedError) Error() string {
	text := e.Device + " is not written to:"
	for _, reason := range e.Reasons {
		text += "\n  - " + reason.Problem
		if reason.Remedy != "" {
			text += ": " + reason.Remedy
		}
	}
	return text
}

// Check returns nil when the device is surely the VM's data disk, held by us, and nobody else uses it; or a *RefusedError.
func Check(wanted Wanted, vm VMState, look Look, moment Moment) error {
	c := &check{wanted: wanted, vm: vm, look: look, moment: moment}
	for _, ask := range []func(){c.consent, c.machine, c.names, c.host, c.identity, c.use, c.state, c.content} {
		ask()
	}
	if len(c.reasons) > 0 {
		return &RefusedError{Device: wanted.Device, Reasons: c.reasons}
	}
	return nil
}

// check collects the reasons.
type check struct {
	wanted  Wanted
	vm      VMState
	look    Look
	moment  Moment
	reasons []Reason
}

// refuse notes a reason when the condition holds.
func (c *check) refuse(when bool, remedy, format string, args ...any) {
	if when {
		c.reasons = append(c.reasons, Reason{Problem: fmt.Sprintf(format, args...), Remedy: remedy})
	}
}

func list(words []string) string { return strings.Join(words, ", ") }
