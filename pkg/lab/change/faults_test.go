package change_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/lab/change"
	"labctl/pkg/pvesim"
)

// Every mutating request of a lab's life goes wrong in every way, one at a time, on both majors. The life succeeds or is
// rolled back; nothing of ours stays, and nothing of others is touched.
func TestEveryChangeGoesWrong(t *testing.T) {
	ways := map[string]pvesim.Action{
		"connection dropped before the effect": {Drop: "before"},
		"connection dropped after the effect":  {Drop: "after"},
		"596 without effect":                   {Refuse: &pvesim.Refusal{Status: 596, Text: "Connection timed out"}},
		"596 with effect":                      {Refuse: &pvesim.Refusal{Status: 596, Text: "Connection timed out", Effect: true}},
		"595":                                  {Refuse: &pvesim.Refusal{Status: 595, Text: "Connection refused"}},
		"500 locked":                           {Refuse: &pvesim.Refusal{Status: 500, Text: "can't lock file '/var/lock/qemu-server/lock-9100.conf' - got timeout"}},
		"500 of an unknown kind":               {Refuse: &pvesim.Refusal{Status: 500, Text: "moon phase"}},
		"403":                                  {Refuse: &pvesim.Refusal{Status: 403, Text: "Permission check failed (/vms/9100, VM.Allocate)"}},
	}
	onBothMajors(t, func(t *testing.T, major int) {
		tried, survived := 0, 0
		for way, action := range ways {
			for _, method := range []string{"POST", "PUT", "DELETE"} {
				for nth := 0; ; nth++ {
					fault := pvesim.Fault{Name: way, Request: &pvesim.RequestMatch{Method: method}, Skip: nth, Do: action}
					hit, ok := lifeWith(t, major, fmt.Sprintf("%s at %s %d", way, method, nth+1), fault)
					if !hit {
						break
					}
					tried++
					if ok {
						survived++
					}
				}
			}
		}
		t.Logf("%d faults: %d lives succeeded all the same, %d were rolled back", tried, survived, tried-survived)
		if tried < 9*20 {
			t.Errorf("only %d faults struck", tried)
		}
	})
}

// lifeWith lives through up and down with a fault, and says whether it struck and whether up and the first down succeeded.
func lifeWith(t *testing.T, major int, name string, faults ...pvesim.Fault) (hit, succeeded bool) {
	t.Helper()
	b := newBench(t, major, nil)
	before := b.strangers()
	b.cluster.SetFaults(pvesim.Faults{Faults: faults})
	upErr := b.executor().Up(t.Context(), b.planUp())
	downErr := b.down()
	struck := slices.Max(b.cluster.FaultHits()) > 0
	b.cluster.SetFaults(pvesim.Faults{})
	if downErr != nil {
		var left *change.LeftoverError
		if !errors.As(downErr, &left) {
			t.Errorf("%s: down failed without saying what may be left: %v", name, downErr)
		}
		if err := b.down(); err != nil {
			t.Errorf("%s: down did not recover (after %v): %v", name, downErr, err)
		}
	}
	if left := b.leftovers(); len(left) > 0 {
		t.Errorf("%s: left behind: %v (up: %v; down: %v)", name, left, upErr, downErr)
	}
	if diff := cmp.Diff(before, b.strangers()); diff != "" {
		t.Errorf("%s: strangers' things changed (-before +after)\n%s", name, diff)
	}
	return struck, upErr == nil && downErr == nil
}

// What PVE's tasks do behind an OK, and what is made of it.
func TestTasksGoWrong(t *testing.T) {
	for _, test := range []struct {
		name    string
		fault   pvesim.Fault
		success bool
	}{
		{"storage lock not got once", pvesim.Fault{Lock: &pvesim.LockMatch{File: "/var/lock/pve-manager/pve-storage-zfs"}, Do: pvesim.Action{Timeout: true}}, true},
		{"storage lock not got three times", pvesim.Fault{Lock: &pvesim.LockMatch{File: "/var/lock/pve-manager/pve-storage-zfs"}, Times: 3, Do: pvesim.Action{Timeout: true}}, true},
		{"dataset busy at the first destroy", pvesim.Fault{Volume: &pvesim.VolumeMatch{Operation: "destroy"}, Times: 12, Do: pvesim.Action{Busy: true}}, true},
		{"dataset busy for long", pvesim.Fault{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-1"}, Times: 60, Do: pvesim.Action{Busy: true}}, false},
		{"storage full at the second volume", pvesim.Fault{Volume: &pvesim.VolumeMatch{Operation: "create"}, Skip: 1, Do: pvesim.Action{Full: true}}, false},
		{"start fails", pvesim.Fault{Task: &pvesim.TaskMatch{Type: "qmstart"}, Do: pvesim.Action{Fail: "start failed: QEMU exited with code 1"}}, false},
		{"tag is restricted", pvesim.Fault{Request: &pvesim.RequestMatch{Path: "/nodes/*/qemu/*/config", Method: "POST"}, Do: pvesim.Action{
			Refuse: &pvesim.Refusal{Status: 403, Text: "Permission check failed (/, Sys.Modify for modifying tag 'labctl')"},
		}}, true},
		{"runs again at destroy", pvesim.Fault{Request: &pvesim.RequestMatch{Method: "DELETE"}, Times: 2, Do: pvesim.Action{
			Refuse: &pvesim.Refusal{Status: 500, Text: "VM 9100 is running - destroy failed"},
		}}, true},
		{"stop fails once", pvesim.Fault{Task: &pvesim.TaskMatch{Type: "qmstop"}, Do: pvesim.Action{Fail: "can't lock file '/var/lock/qemu-server/lock-9100.conf' - got timeout"}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			onBothMajors(t, func(t *testing.T, major int) {
				test.fault.Name = test.name
				hit, ok := lifeWith(t, major, test.name, test.fault)
				if !hit || ok != test.success {
					t.Errorf("struck %v, succeeded %v, want %v", hit, ok, test.success)
				}
			})
		})
	}
}

// A clone whose worker was killed is beyond a token: down says what root has to do, and that something may be left.
func TestKilledCloneIsReportedWithRootsCommands(t *testing.T) {
	onBothMajors(t, func(t *testing.T, major int) {
		b := newBench(t, major, nil)
		b.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{
			{Name: "killed", Task: &pvesim.TaskMatch{Type: "qmclone"}, Do: pvesim.Action{Kill: true, Delay: 50 * time.Millisecond}},
		}})
		err := b.executor().Up(t.Context(), b.planUp())
		if err == nil {
			t.Fatal("up succeeded with a killed clone")
		}
		if err := b.down(); err != nil {
			t.Errorf("down of the others: %v", err)
		}
		seen := b.observe()
		if len(seen.Unreadable) != 1 {
			t.Fatalf("unreadable: %v", seen.Unreadable)
		}
		left := &change.LeftoverError{VM: "2gb", Ref: seen.Unreadable[0], Unread: true}
		want := fmt.Sprintf("qm unlock %d", left.Ref.ID)
		if !strings.Contains(left.Error(), want) || !strings.Contains(left.Error(), "--purge 1 --destroy-unreferenced-disks 1") {
			t.Errorf("the operator is told: %v", left)
		}
	})
}
