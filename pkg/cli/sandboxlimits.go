package cli

import (
	"time"

	"labctl/pkg/lab/guest"
	"labctl/pkg/sandbox"
)

// limits are how long guests may take to become ready: for every probe as long as the configuration says, or as long as
// real ones need. Virtual machines without KVM run twenty times slower, and share this machine's processors.
func (a *app) limits(s *server) guest.Limits {
	all := a.config.GetDuration(keyGuestPatience)
	if emulated := s.sandbox != nil && s.sandbox.Guests == sandbox.GuestQEMU && !s.sandbox.KVM; all == 0 && emulated {
		all = 20 * time.Minute
	}
	return guest.Limits{Boot: all, Agent: all, HostKey: all, Address: all, SSH: all, Prepare: all}
}

// processesNote is what has to be said of numbers that no virtual machine had.
const processesNote = "Measured in the sandbox: every target is a set of processes on one machine, not a virtual machine."

// sandboxNote says what was measured in the sandbox.
func sandboxNote(info *sandbox.Info) string {
	switch {
	case info.Guests != sandbox.GuestQEMU:
		return processesNote
	case info.KVM:
		return "Measured in the sandbox: the VMs are real ones, with KVM, but share one machine and one file system with the host target, which is a process."
	}
	return "Measured in the sandbox: the VMs are emulated without KVM, so that their numbers are about the emulation, not about disks. The host target is a process."
}
