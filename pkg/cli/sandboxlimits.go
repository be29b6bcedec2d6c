package cli

import (
	"time"

	"labctl/pkg/guest"
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
