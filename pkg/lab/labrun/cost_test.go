package labrun_test

import (
	"testing"

	"labctl/pkg/pvesim"
)

// requestsOf counts what a call costs.
func (s story) requestsOf(run func()) int {
	before := len(s.cluster.Requests())
	run()
	return len(s.cluster.Requests()) - before
}

// failedClones makes clones fail as they do on a busy server, and forgets them.
func (s story) failedClones(n int, fault pvesim.Fault) {
	s.Helper()
	fault.Times = -1
	s.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{fault}})
	for range n {
		if err := s.process(0, never).up(s.Context(), s.spec); err == nil {
			s.Fatal("up succeeded although no clone can")
		}
	}
	s.cluster.SetFaults(pvesim.Faults{})
	failed := 0
	for _, task := range s.cluster.Tasks() {
		if task.Type == "qmclone" && task.Status != "OK" {
			failed++
		}
	}
	if failed < n {
		s.Fatalf("%d clones failed", failed)
	}
	s.loseState()
}

// What a fresh lab costs does not grow with what failed on the server before, of which nobody has the state any more.
func TestThePastCostsLittle(t *testing.T) {
	for name, fault := range map[string]pvesim.Fault{
		"full":   {Volume: &pvesim.VolumeMatch{Operation: "clone"}, Do: pvesim.Action{Full: true}},
		"locked": {Lock: &pvesim.LockMatch{File: "/var/lock/pve-manager/pve-storage-zfs"}, Do: pvesim.Action{Timeout: true}},
		"fails":  {Task: &pvesim.TaskMatch{Type: "qmclone"}, Do: pvesim.Action{Fail: "moon phase"}},
	} {
		t.Run(name, func(t *testing.T) {
			realistic := func(topology *pvesim.Topology) { topology.Timings = pvesim.Realistic() }
			tell(t, 3, realistic, func(s story) {
				fresh := s.requestsOf(s.mustUp)
				freshDown := s.requestsOf(func() { s.mustDown() })
				s.loseState()
				s.failedClones(5, fault)
				up := s.requestsOf(s.mustUp)
				down := s.requestsOf(func() { s.mustDown() })
				nothing := s.requestsOf(func() { s.mustDown() })
				s.loseState()
				without := s.requestsOf(func() { s.mustDown() })
				s.Logf("%s: without a past up %d, down %d; with one up %d, down %d, nothing to do %d, and without state %d",
					name, fresh, freshDown, up, down, nothing, without)
				if up > 50 || down > 50 {
					s.Errorf("up took %d requests and down %d: at most 50 each are allowed", up, down)
				}
			})
		})
	}
}
