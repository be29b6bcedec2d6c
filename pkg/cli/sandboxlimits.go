package cli

import (
	"time"

	"labctl/pkg/guest"
	"labctl/pkg/sandbox"
)

// limits are how long guests may take to become ready. Virtual machines without KVM run twenty times slower than others,
// and share this machine's processors.
func (s *server) limits() guest.Limits {
	if s.sandbox == nil || s.sandbox.Guests != sandbox.GuestQEMU || s.sandbox.KVM {
		return guest.Limits{}
	}
	const emulated = 15 * time.Minute
	return guest.Limits{Boot: emulated, Agent: emulated, SSH: emulated, HostKey: emulated, Address: emulated, Prepare: emulated}
}
