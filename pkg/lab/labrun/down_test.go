package labrun_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

func newFileGates(t *testing.T) *labrun.FileGates {
	return &labrun.FileGates{Dir: t.TempDir(), Server: "https://pve.invalid:8006"}
}

// story is a test on one emulated server.
type story struct {
	*world
	*testing.T
	spec labrun.Spec
}

// tell runs a test in virtual time on both majors.
func tell(t *testing.T, vms int, adjust func(*pvesim.Topology), test func(s story)) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprint("PVE ", major), func(t *testing.T) {
			base := stateBase(t)
			synctest.Test(t, func(t *testing.T) {
				topology := pvesim.SandboxTopology(major)
				if adjust != nil {
					adjust(&topology)
				}
				w, err := newWorld(t, base, topology)
				if err != nil {
					t.Fatal(err)
				}
				s := story{w, t, labSpec("lab", vms, 9100)}
				before := w.strangers()
				test(s)
				if after := w.strangers(); after != before {
					t.Errorf("strangers' things changed:\n%s\nwere\n%s", after, before)
				}
				if t.Failed() {
					t.Log(w.tale())
				}
			})
		})
	}
}

func (s story) process(at int, when moment) *process {
	s.Helper()
	p, err := s.start(at, when)
	if err != nil {
		s.Fatal(err)
	}
	return p
}

func (s story) mustUp() {
	s.Helper()
	if err := s.process(0, never).up(s.Context(), s.spec); err != nil {
		s.Fatal(err)
	}
}

// mustDown takes the lab down, and nothing of it is left.
func (s story) mustDown() labrun.Removed {
	s.Helper()
	removed, err := s.process(0, never).down(s.Context(), s.spec)
	if err != nil {
		s.Fatal(err)
	}
	if left := s.leftovers(); len(left) > 0 {
		s.Errorf("left behind: %v", left)
	}
	return removed
}

// downLeaves takes the lab down, which cannot be done, and returns the error.
func (s story) downLeaves() error {
	s.Helper()
	_, err := s.process(0, never).down(s.Context(), s.spec)
	if len(leftoversIn(err)) == 0 {
		s.Fatalf("down did not say what is left: %v", err)
	}
	return err
}

// root types what labctl printed.
func (s story) root(err error) {
	s.Helper()
	operator, loginErr := newOperator(s.Context(), s.cluster)
	if loginErr != nil {
		s.Fatal(loginErr)
	}
	for _, left := range leftoversIn(err) {
		if err := operator.obey(s.Context(), left); err != nil {
			s.Errorf("what root was told to do failed: %v", err)
		}
	}
}

// rootDestroys takes the lab down, which tells root to destroy a VM; when root has, nothing is left, and nothing is looked at again.
func (s story) rootDestroys(vmid string) {
	s.Helper()
	err := s.downLeaves()
	if !strings.Contains(err.Error(), "qm destroy "+vmid) {
		s.Errorf("the operator is told: %v", err)
	}
	s.root(err)
	s.mustDown()
	if removed := s.mustDown(); !removed.Nothing() {
		s.Errorf("the second down had something to do: %+v", removed)
	}
}

// The clone of a killed process goes on. Without state, down waits for it: neither the VM nor its VMID shows yet.
func TestDownWithoutStateAwaitsARunningClone(t *testing.T) {
	slow := func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() }
	for _, when := range []moment{afterEffect, afterAnswer} {
		tell(t, 1, slow, func(s story) {
			victim := s.process(1, when)
			var zombie sync.WaitGroup
			zombie.Go(func() { _ = victim.up(context.WithoutCancel(s.Context()), s.spec) })
			defer zombie.Wait()
			<-victim.kill.died
			s.loseState()
			if len(s.running()) == 0 {
				s.Fatal("no clone is running: the test tests nothing")
			}
			if removed := s.mustDown(); removed.VMs != 1 {
				s.Errorf("removed %+v", removed)
			}
		})
	}
}

// A clone whose worker was killed cannot be read by any token, and its lab's state is lost: down still tells, and what it
// tells root to do removes everything.
func TestDownWithoutStateReportsAKilledClone(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmclone"}, Do: pvesim.Action{Kill: true, Delay: 50 * time.Millisecond}}}})
		err := s.process(0, never).up(s.Context(), s.spec)
		if len(leftoversIn(err)) == 0 {
			s.Fatalf("up did not say what is left: %v", err)
		}
		s.loseState()
		err = s.downLeaves()
		if !strings.Contains(err.Error(), "qm destroy 9100 --purge 1 --destroy-unreferenced-disks 1") {
			s.Errorf("the operator is told: %v", err)
		}
		s.root(err)
		s.mustDown()
		if removed := s.mustDown(); !removed.Nothing() {
			s.Errorf("the second down had something to do: %+v", removed)
		}
	})
}

// A destroy leaked a volume behind its OK, and the state is lost: the server's task list still tells the VMID. Nothing proves
// the volume ours, so it is reported and not removed.
func TestDownWithoutStateFindsALeakedVolume(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-1"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
		s.downLeaves()
		s.cluster.SetFaults(pvesim.Faults{})
		s.loseState()
		err := s.downLeaves()
		if !strings.Contains(err.Error(), "pvesm free zfs:vm-9100-disk-1") {
			s.Errorf("the operator is told: %v", err)
		}
		s.root(err)
		s.mustDown()
		if removed := s.mustDown(); !removed.Nothing() {
			s.Errorf("what a past run proved is looked at again: %+v", removed)
		}
	})
}

// The empty VM that claims a VMID for the moment of looking is not taken for somebody else's VM when its destroy failed.
func TestDownRemovesItsProbe(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.mustDown()
		s.loseState()
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Task: &pvesim.TaskMatch{Type: "qmdestroy"}, Do: pvesim.Action{Fail: "moon phase"}}}})
		s.mustDown()
		if s.cluster.FaultHits()[0] == 0 {
			s.Error("no destroy failed: the test tests nothing")
		}
	})
}

func TestDownRemovesAProtectedVM(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		s.asRoot("PUT", "/nodes/pve/qemu/9101/config", "protection", "1")
		s.mustDown()
	})
}

func TestDownAwaitsTheHAManager(t *testing.T) {
	tell(t, 2, nil, func(s story) {
		s.mustUp()
		s.cluster.SetHA(9100, true)
		s.mustDown()
	})
}

// A nightly backup locks every VM for a while.
func TestDownAwaitsABackup(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.asRoot("PUT", "/nodes/pve/qemu/9100/config", "lock", "backup")
		unlock := time.AfterFunc(time.Minute, func() { s.asRoot("PUT", "/nodes/pve/qemu/9100/config", "delete", "lock", "skiplock", "1") })
		defer unlock.Stop()
		s.mustDown()
	})
}

// A lock that stays is reported with the commands that help, and they do.
func TestDownReportsALockThatStays(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.mustUp()
		s.asRoot("PUT", "/nodes/pve/qemu/9100/config", "lock", "backup")
		err := s.downLeaves()
		if !errors.Is(err, pve.ErrConfigLocked) || !strings.Contains(err.Error(), "qm unlock 9100") {
			s.Errorf("error %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}

// An intent that never reached the server does not keep down from being clean when somebody took its VMID.
func TestAnIntentThatNeverArrivedIsNoTrace(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		_ = s.process(1, beforeSend).up(s.Context(), s.spec) // killed before the clone was sent
		s.asRoot("POST", "/nodes/pve/qemu", "vmid", "9100", "name", "foreign")
		s.mustDown()
		if _, ok := s.cluster.VM(9100); !ok {
			s.Error("the VM of somebody else is gone")
		}
	})
}

func (s story) asRoot(method, path string, pairs ...string) {
	operator, err := newOperator(context.WithoutCancel(s.Context()), s.cluster)
	if err == nil {
		values := map[string][]string{}
		for i := 0; i < len(pairs); i += 2 {
			values[pairs[i]] = []string{pairs[i+1]}
		}
		err = operator.do(context.WithoutCancel(s.Context()), "pve", method, path, values)
	}
	if err != nil {
		s.Errorf("as root: %v", err)
	}
}

// An interrupt does not wait until gigabytes are copied: a full clone is aborted by its task, and PVE takes back what it made.
func TestInterruptAbortsAFullClone(t *testing.T) {
	slow := func(topology *pvesim.Topology) {
		topology.Timings = pvesim.Realistic()
		topology.Templates[0].DiskMiB = 200 << 10
	}
	tell(t, 2, slow, func(s story) {
		s.spec.Lab.Clone = labspec.CloneFull
		for i := range s.spec.Lab.VMs {
			s.spec.Lab.VMs[i].OSDisk.Size = 200 << 30
		}
		ctx, interrupt := context.WithCancel(s.Context())
		time.AfterFunc(20*time.Second, interrupt)
		begun := time.Now()
		err := s.process(0, never).up(ctx, s.spec)
		took := time.Since(begun)
		if !errors.Is(err, context.Canceled) || len(leftoversIn(err)) > 0 {
			s.Errorf("error %v", err)
		}
		aborted := 0
		for _, task := range s.cluster.Tasks() {
			if task.Type == "qmclone" && strings.Contains(task.Status, "interrupted by signal") {
				aborted++
			}
		}
		s.Logf("%d clones aborted, up ended after %s", aborted, took)
		if aborted == 0 || took > 2*time.Minute {
			s.Errorf("%d clones aborted, up ended after %s", aborted, took)
		}
		if left := s.leftovers(); len(left) > 0 {
			s.Errorf("left behind: %v", left)
		}
	})
}

// Nor does down wait for a copy that a killed up left under way.
func TestDownAbortsAFullClone(t *testing.T) {
	slow := func(topology *pvesim.Topology) {
		topology.Timings = pvesim.Realistic()
		topology.Templates[0].DiskMiB = 200 << 10
	}
	tell(t, 1, slow, func(s story) {
		s.spec.Lab.Clone = labspec.CloneFull
		s.spec.Lab.VMs[0].OSDisk.Size = 200 << 30
		victim := s.process(1, afterAnswer)
		var zombie sync.WaitGroup
		zombie.Go(func() { _ = victim.up(context.WithoutCancel(s.Context()), s.spec) })
		defer zombie.Wait()
		<-victim.kill.died
		zombie.Wait() // and gives the lock back
		begun := time.Now()
		s.mustDown()
		if took := time.Since(begun); took > time.Minute {
			s.Errorf("down waited %s for a copy that nobody wants", took)
		}
	})
}

// A down that is interrupted between the destroy and the proof tells root to free the disks: there is no VM to destroy.
func TestInterruptedProofNamesTheDisks(t *testing.T) {
	slow := func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() }
	tell(t, 1, slow, func(s story) {
		s.mustUp()
		s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{{Volume: &pvesim.VolumeMatch{Operation: "destroy", Name: "vm-9100-disk-1"}, Times: -1, Do: pvesim.Action{Busy: true}}}})
		ctx, interrupt := context.WithCancel(s.Context())
		go func() {
			for s.cluster.FaultHits()[0] == 0 {
				<-time.After(time.Second)
			}
			interrupt()
		}()
		_, err := s.process(0, never).down(ctx, s.spec)
		s.cluster.SetFaults(pvesim.Faults{})
		if err == nil || !strings.Contains(err.Error(), "pvesm free zfs:vm-9100-disk-1   # if it is still there") || strings.Contains(err.Error(), "qm destroy") {
			s.Errorf("the operator is told: %v", err)
		}
		s.root(err)
		s.mustDown()
	})
}

// logless is a server whose logs of tasks are gone.
type logless struct{ next http.RoundTripper }

func (l logless) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(request)
	if err == nil && strings.HasSuffix(request.URL.Path, "/log") {
		err = answer.Body.Close()
		answer.Body, answer.ContentLength = io.NopCloser(strings.NewReader(`{"data":{"n":1,"t":"unable to open file"},"total":1}`)), -1
	}
	return answer, err
}

// A clone that failed and whose log is gone does not keep down, nor up, from working without state.
func TestDownWithoutStateAndWithoutALog(t *testing.T) {
	tell(t, 1, nil, func(s story) {
		s.failClone()
		if err := s.process(0, never).up(s.Context(), s.spec); err == nil {
			s.Fatal("no clone failed: the test tests nothing")
		}
		s.loseState()
		for range 2 {
			p := s.process(0, never)
			p.kill.next = logless{p.kill.next}
			if _, err := p.down(s.Context(), s.spec); err != nil {
				s.Error(err)
			}
		}
	})
}
