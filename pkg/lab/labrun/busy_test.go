package labrun_test

import (
	"testing"
	"time"

	"labctl/pkg/pvesim"
)

// A dataset that stays busy, and a VM that a backup has locked, are waited for with few requests, and after some seconds it is said what is
// waited for.
func TestABusyServerIsWaitedForQuietly(t *testing.T) {
	realistic := func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() }
	for name, test := range map[string]struct {
		trouble func(s story)
		says    string
		most    int // requests
	}{
		"dataset": {func(s story) {
			s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-1"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
		}, "PVE does not free it while it is busy", 80},
		"backup": {func(s story) {
			s.asRoot("POST", "/nodes/pve/qemu/9100/status/stop")
			s.asRoot("PUT", "/nodes/pve/qemu/9100/config", "lock", "backup", "skiplock", "1")
		}, "is locked (backup): waiting up to 2m0s", 25},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, 1, realistic, func(s story) {
				s.mustUp()
				test.trouble(s)
				begun := time.Now()
				if cost := s.requestsOf(func() { _ = s.downLeaves() }); cost > test.most {
					s.Errorf("%d requests in %v, want at most %d", cost, time.Since(begun), test.most)
				}
				if !s.talk.said(test.says) {
					s.Errorf("nothing is said of %q while it waits: %q", test.says, s.talk.lines)
				}
				s.cluster.SetFaults(pvesim.Faults{})
			})
		})
	}
}
