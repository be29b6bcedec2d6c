package change_test

import (
	"fmt"
	"strings"
	"testing"

	"labctl/pkg/pvesim"
)

// A change that got no answer and did not happen, as when a daemon is restarted, is sent again when that does no harm: the lab is not
// given up. A clone is not.
func TestAChangeThatDidNotHappenIsSentAgain(t *testing.T) {
	ways := map[string]pvesim.Action{
		"the daemon was restarted":         {Refuse: &pvesim.Refusal{Status: 596, Text: "Connection reset by peer"}},
		"the daemon was not there":         {Refuse: &pvesim.Refusal{Status: 595, Text: "Connection refused"}},
		"the connection was cut before it": {Drop: "before"},
	}
	changes := map[string]struct{ method, path string }{
		"configuration": {"POST", "/nodes/*/qemu/*/config"}, "resize": {"PUT", "/nodes/*/qemu/*/resize"},
		"start": {"POST", "/nodes/*/qemu/*/status/start"}, "empty VM": {"POST", "/nodes/*/qemu"},
	}
	onBothMajors(t, func(t *testing.T, major int) {
		for way, action := range ways {
			for name, c := range changes {
				fault := pvesim.Fault{Name: way, Request: &pvesim.RequestMatch{Method: c.method, Path: c.path}, Times: 2, Do: action}
				if hit, ok := lifeWith(t, major, name, fault); !hit || !ok {
					t.Errorf("%s at %s: struck %v, the life succeeded %v", way, name, hit, ok)
				}
			}
		}
	})
}

// A configuration whose answer was lost after its disk was made is not sent with that disk again: PVE would make another one.
func TestADiskIsNotMadeTwice(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, nil)
		b.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu/9100/config"},
			Do:      pvesim.Action{Lose: []string{"cores"}, Refuse: &pvesim.Refusal{Status: 596, Text: "Connection reset by peer", Effect: true}},
		}}})
		if err := b.executor().Up(t.Context(), b.planUp()); err != nil {
			t.Fatal(err)
		}
		disks := 0
		for _, volume := range b.cluster.Volumes() {
			if volume.VMID == 9100 && strings.Contains(volume.ID, "-disk-") {
				disks++
			}
		}
		if disks != 2 {
			t.Errorf("VM 9100 has %d disks: %v", disks, b.cluster.Volumes())
		}
		if err := b.down(); err != nil || len(b.leftovers()) > 0 {
			t.Errorf("%v, left: %v", err, b.leftovers())
		}
	})
}

// What became of a change is told without a contradiction.
func TestALostAnswerIsToldOnce(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, nil)
		b.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{
			Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu/*/clone"}, Times: -1, Do: pvesim.Action{Drop: "before"},
		}}})
		err := b.executor().Up(t.Context(), b.planUp())
		text := fmt.Sprint(err)
		if !strings.Contains(text, "no answer came, and the change has not taken effect 20s later") || strings.Contains(text, "may have taken effect") {
			t.Errorf("it says: %s", text)
		}
		sent := 0
		for _, r := range b.cluster.Requests() {
			if strings.HasSuffix(r.Path, "/clone") {
				sent++
			}
		}
		if sent > len(b.lab.VMs) {
			t.Errorf("%d clones were sent for %d VMs", sent, len(b.lab.VMs))
		}
	})
}
