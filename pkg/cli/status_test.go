package cli

import (
	"testing"

	"labctl/pkg/lab/journal"
)

func TestAdviceOfStatus(t *testing.T) {
	active, none := &journal.State{Run: &journal.Begin{RunID: "r"}}, &journal.State{}
	for _, test := range []struct {
		name   string
		status labStatus
		state  *journal.State
		want   string
	}{
		{
			"changed",
			labStatus{State: statePartial, VMs: []vmStatus{{State: stateReady, Drift: "cores is 2, wanted 1"}}},
			active,
			"the lab is not what its spec asks for: `labctl down` removes it, and then `labctl up` makes it anew",
		},
		{
			"with a VM too many",
			labStatus{State: statePartial, VMs: []vmStatus{{State: stateAbsent}, {State: stateExtra}}},
			active,
			"the lab is not what its spec asks for: `labctl down` removes it, and then `labctl up` makes it anew",
		},
		{"up", labStatus{State: stateUp}, active, ""},
		{"down", labStatus{State: stateDown}, none, ""},
		{"state lost", labStatus{State: stateUp}, none, "the state of this lab is lost: `labctl down` removes what there is"},
		{"half done", labStatus{State: statePartial}, active, "`labctl up` does what is left to do, `labctl down` removes what there is"},
		{
			"removed without proof",
			labStatus{State: statePartial, Unproved: true},
			active,
			"removal not proved: its VMs are gone, but perhaps not their volumes: `labctl down` removes what there is",
		},
		{"under way", labStatus{State: statePartial, Busy: true}, active, "another labctl is at work on this lab: wait until it is done"},
	} {
		if got := test.status.advice(test.state, "`labctl up`"); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// What is not finished is neither drift nor a removal without proof.
func TestUnfinishedLabIsNotJudged(t *testing.T) {
	status := labStatus{VMs: []vmStatus{{Name: "one", State: stateRunning, Drift: "memory is 512, wanted 2048"}}, Unproved: true, Open: []string{"clone"}}
	status.isBusy()
	if !status.Busy || status.VMs[0].Drift != "" || status.Unproved || len(status.Open) > 0 {
		t.Errorf("status %+v", status)
	}
}
