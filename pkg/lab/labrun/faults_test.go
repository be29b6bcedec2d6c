package labrun_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/lab/change"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// place is where in a lab's life a fault strikes.
type place struct {
	name  string
	fault pvesim.Fault // with the match only
}

// requestPlaces are the changes of a lab's life.
func requestPlaces() []place {
	request := func(name, method, path string) place {
		return place{name, pvesim.Fault{Request: &pvesim.RequestMatch{Method: method, Path: path}}}
	}
	return []place{
		request("clone", "POST", "/nodes/*/qemu/*/clone"), request("config", "POST", "/nodes/*/qemu/*/config"),
		request("resize", "PUT", "/nodes/*/qemu/*/resize"), request("start", "POST", "/nodes/*/qemu/*/status/start"),
		request("stop", "POST", "/nodes/*/qemu/*/status/stop"), request("create", "POST", "/nodes/*/qemu"),
		request("destroy", "DELETE", "/nodes/*/qemu/*"),
	}
}

func taskPlaces() []place {
	var places []place
	for name, kind := range map[string]string{
		"clone": "qmclone", "config": "qmconfig", "resize": "resize", "start": "qmstart", "stop": "qmstop", "create": "qmcreate", "destroy": "qmdestroy",
	} {
		places = append(places, place{name, pvesim.Fault{Task: &pvesim.TaskMatch{Type: kind}}})
	}
	return places
}

func volumePlaces() []place {
	var places []place
	for name, operation := range map[string]string{"clone": "clone", "config": "create", "destroy": "destroy"} {
		places = append(places, place{name, pvesim.Fault{Volume: &pvesim.VolumeMatch{Operation: operation}}})
	}
	return places
}

// way is how something goes wrong at its places.
type way struct {
	name   string
	places []place
	times  int
	do     pvesim.Action
}

// ways are all kinds of faults that the emulator knows.
func ways() []way {
	refuse := func(status int, text string, effect bool) pvesim.Action {
		return pvesim.Action{Refuse: &pvesim.Refusal{Status: status, Text: text, Effect: effect}}
	}
	locks := []place{
		{"storage lock", pvesim.Fault{Lock: &pvesim.LockMatch{File: "/var/lock/pve-manager/pve-storage-*"}}},
		{"VM lock", pvesim.Fault{Lock: &pvesim.LockMatch{File: "/var/lock/qemu-server/lock-*"}}},
	}
	agent := []place{{"agent", pvesim.Fault{Agent: &pvesim.AgentMatch{}}}}
	requests, tasks, volumes := requestPlaces(), taskPlaces(), volumePlaces()
	notCreate := slices.DeleteFunc(slices.Clone(tasks), func(p place) bool { return p.name == "create" }) // its worker always cleans up
	return []way{
		{"request delayed 40 s", requests, 1, pvesim.Action{Delay: 40 * time.Second}},
		{"dropped before the effect", requests, 1, pvesim.Action{Drop: "before"}},
		{"dropped after the effect", requests, 1, pvesim.Action{Drop: "after"}},
		{"403", requests, 1, refuse(403, "Permission check failed (/vms/9100, VM.Allocate)", false)},
		{"500 locked", requests, 1, refuse(500, "can't lock file '/var/lock/qemu-server/lock-9100.conf' - got timeout", false)},
		{"no worker", requests, 1, pvesim.Action{NoWorker: true}},
		{"500 unknown", requests, 1, refuse(500, "moon phase", false)},
		{"502", requests, 1, refuse(502, "Bad Gateway", false)},
		{"595", requests, 1, refuse(595, "Connection refused", false)},
		{"596 without effect", requests, 1, refuse(596, "Connection timed out", false)},
		{"596 with effect", requests, 1, refuse(596, "Connection timed out", true)},
		{"599 with effect", requests, 1, refuse(599, "Too many redirections", true)},
		{"VM moves to another node", requests[1:], 1, pvesim.Action{Migrate: "pve2"}},
		{"somebody takes the VMID", []place{requests[0], requests[5]}, 1, pvesim.Action{Claim: true}},
		{"task delayed 60 s", tasks, 1, pvesim.Action{Delay: 60 * time.Second}},
		{"worker killed", tasks, 1, pvesim.Action{Kill: true, Delay: 20 * time.Millisecond}},
		{"task fails", notCreate, 1, pvesim.Action{Fail: "moon phase"}},
		{"volume slow 12 s", volumes, 1, pvesim.Action{Delay: 12 * time.Second}},
		{"volume busy once", volumes[:], 1, pvesim.Action{Busy: true}},
		{"volume busy for long", volumes, 80, pvesim.Action{Busy: true}},
		{"storage full", volumes, 1, pvesim.Action{Full: true}},
		{"volume fails", volumes, 1, pvesim.Action{Fail: "I/O error"}},
		{"lock not got once", locks, 1, pvesim.Action{Timeout: true}},
		{"lock not got 8 times", locks, 8, pvesim.Action{Timeout: true}},
		{"agent down 4 times", agent, 4, pvesim.Action{Down: true}},
		{"agent down for good", agent, -1, pvesim.Action{Down: true}},
		{"agent tells wrong addresses", agent, -1, pvesim.Action{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}}},
	}
}

// ending is how a life with a fault ended.
type ending string

const (
	succeeded  ending = "succeeded"
	rolledBack ending = "rolled back"
	downAgain  ending = "down again" // the first down said what may be left; the next one removed it
	byOperator ending = "operator"   // root had to run the printed commands
	unharmed   ending = ""           // the fault did not strike
)

// agentReady waits for the guest agent as readiness does, for a while.
type agentReady struct{ api *pve.Client }

func (r agentReady) Await(ctx context.Context, vm change.VM) (map[string]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("probe guest agent: no answer"))
	defer cancel()
	for {
		if err := r.api.AgentPing(ctx, vm.Ref); err == nil {
			return map[string]string{labrun.FactVMID: vm.Ref.ID.String()}, nil
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// liveWith lives through up and down with one fault.
func liveWith(t *testing.T, base string, major int, fault pvesim.Fault) (end ending, err error) {
	synctest.Test(t, func(t *testing.T) {
		dir, mkErr := os.MkdirTemp(base, "life") //nolint:usetesting // thousands of lives: each goes when it ends
		if mkErr != nil {
			err = mkErr
			return
		}
		defer os.RemoveAll(dir)
		topology := pvesim.SandboxTopology(major)
		second := topology.Nodes[0]
		second.Name, second.Address = "pve2", netip.MustParsePrefix("10.10.10.2/24")
		topology.Nodes = append(topology.Nodes, second)
		w, worldErr := newWorld(t, dir, topology)
		if worldErr != nil {
			err = worldErr
			return
		}
		end, err = w.life(t.Context(), labSpec("lab", 3, 9100), fault)
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, w.tale())
		}
	})
	return end, err
}

func (w *world) life(ctx context.Context, spec labrun.Spec, fault pvesim.Fault) (ending, error) {
	before := w.strangers()
	w.cluster.SetFaults(pvesim.Faults{Faults: []pvesim.Fault{fault}})
	p, err := w.start(0, never)
	if err != nil {
		return unharmed, err
	}
	upErr := p.upWith(ctx, spec, agentReady{p.client})
	var downErr error
	if len(leftoversIn(upErr)) == 0 {
		_, downErr = p.down(ctx, spec)
	}
	hit := w.cluster.FaultHits()[0] > 0
	w.cluster.SetFaults(pvesim.Faults{})
	end := succeeded
	switch {
	case !hit:
		end = unharmed
	case downErr != nil || len(leftoversIn(upErr)) > 0:
		end, err = w.recover(ctx, spec, errors.Join(upErr, downErr))
	case upErr != nil:
		end = rolledBack
	}
	if err != nil {
		return end, err
	}
	if left := w.leftovers(); len(left) > 0 {
		return end, fmt.Errorf("left behind: %s (up: %w; down: %w)", strings.Join(left, ", "), upErr, downErr)
	}
	if after := w.strangers(); after != before {
		return end, fmt.Errorf("strangers' things changed:\n%s\nwere\n%s", after, before)
	}
	return end, nil
}

// recover does what a person does who was told that something may be left: down again, and if that does not help, as root
// what was printed.
func (w *world) recover(ctx context.Context, spec labrun.Spec, cause error) (ending, error) {
	if len(leftoversIn(cause)) == 0 {
		return unharmed, fmt.Errorf("down failed without saying what may be left: %w", cause)
	}
	p, err := w.start(0, never)
	if err != nil {
		return unharmed, err
	}
	if _, err = p.down(ctx, spec); err == nil {
		return downAgain, nil
	}
	root, rootErr := newOperator(ctx, w.cluster)
	if rootErr != nil {
		return unharmed, rootErr
	}
	for _, left := range leftoversIn(err) {
		if obeyErr := root.obey(ctx, left); obeyErr != nil {
			return byOperator, fmt.Errorf("what labctl told root to do failed: %w (%w)", obeyErr, err)
		}
	}
	_, err = p.down(ctx, spec)
	return byOperator, err
}

var thorough = flag.Bool("thorough", false, "let every fault strike at every occurrence, and live 2000 random histories")

// Everything that can go wrong goes wrong at every step of a lab's life, one at a time, on both majors. The life succeeds or
// is rolled back, or says what root has to do; nothing of ours stays, and nothing of others is touched.
func TestFaultMatrix(t *testing.T) {
	base := stateBase(t)
	counts := map[string]map[string]map[ending]int{} // way, place, ending
	total := map[ending]int{}
	for _, major := range []int{8, 9} {
		for _, way := range ways() {
			for _, at := range way.places {
				for nth := 0; nth < 12 && (nth == 0 || *thorough); nth++ {
					fault := at.fault
					fault.Name, fault.Skip, fault.Times, fault.Do = way.name, nth, way.times, way.do
					end, err := liveWith(t, base, major, fault)
					if err != nil {
						t.Errorf("PVE %d, %s at %s %d: %v", major, way.name, at.name, nth+1, err)
					}
					if end == unharmed {
						break
					}
					if end == byOperator && way.name != "worker killed" && (way.name != "no worker" || at.name != "create") && way.name != "volume busy for long" && way.name != "somebody takes the VMID" {
						t.Errorf("PVE %d, %s at %s %d: root was needed", major, way.name, at.name, nth+1)
					}
					if counts[way.name] == nil {
						counts[way.name] = map[string]map[ending]int{}
					}
					if counts[way.name][at.name] == nil {
						counts[way.name][at.name] = map[ending]int{}
					}
					counts[way.name][at.name][end]++
					total[end]++
				}
			}
		}
	}
	t.Log(matrix(counts, total))
	if *thorough && total[succeeded]+total[rolledBack] < 1000 {
		t.Errorf("only %v faults struck", total)
	}
}

// matrix prints how the lives ended: succeeded/rolled back/down again/operator.
func matrix(counts map[string]map[string]map[ending]int, total map[ending]int) string {
	columns := []string{"clone", "config", "resize", "start", "stop", "create", "destroy", "storage lock", "VM lock", "agent"}
	var text strings.Builder
	fmt.Fprintf(&text, "\nlives: %d succeeded all the same, %d were rolled back, %d needed a second down, %d needed root\neach cell: succeeded/rolled back/second down/root\n%-28s",
		total[succeeded], total[rolledBack], total[downAgain], total[byOperator], "")
	for _, column := range columns {
		fmt.Fprintf(&text, " %12s", column)
	}
	for _, way := range ways() {
		fmt.Fprintf(&text, "\n%-28s", way.name)
		for _, column := range columns {
			cell := "-"
			if c := counts[way.name][column]; c != nil {
				cell = fmt.Sprintf("%d/%d/%d/%d", c[succeeded], c[rolledBack], c[downAgain], c[byOperator])
			}
			fmt.Fprintf(&text, " %12s", cell)
		}
	}
	return text.String()
}
