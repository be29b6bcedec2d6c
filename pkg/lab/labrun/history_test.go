package labrun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pvesim"
)

// command is what one process does.
type command struct {
	Lab  int
	Verb string // up, down, bench or gc
	Kill moment
	At   int           // the change at which it is killed
	Stop time.Duration // when it gets SIGINT; 0: never
}

// chapter is a time in which processes work side by side on one server.
type chapter struct {
	Commands []command
	Faults   []pvesim.Fault
	Lose     bool          // the state directory is lost before
	Damage   int           // this line of every journal is damaged before, modulo its length; 0: none
	Pass     time.Duration // how long nobody does anything before
}

// history is what happens to labs that share a server, until somebody takes them down.
type history struct {
	Major    int
	Labs     []int         // how many VMs each has
	Shared   bool          // they share their VMIDs
	Skew     time.Duration // how far the server's clock is ahead
	Chapters []chapter
}

func drawHistory(t *rapid.T) history {
	h := history{
		Major: rapid.SampledFrom([]int{8, 9}).Draw(t, "major"), Shared: rapid.Bool().Draw(t, "shared"),
		Labs: rapid.SliceOfN(rapid.IntRange(1, 2), 1, 3).Draw(t, "labs"),
		Skew: rapid.SampledFrom([]time.Duration{0, 0, -time.Hour, time.Hour}).Draw(t, "skew"),
	}
	for range rapid.IntRange(1, 5).Draw(t, "chapters") {
		var c chapter
		for lab := range h.Labs {
			if rapid.IntRange(0, 3).Draw(t, "idle") == 0 {
				continue
			}
			one := command{Lab: lab, Verb: rapid.SampledFrom([]string{"up", "up", "up", "down", "bench", "gc"}).Draw(t, "verb")}
			switch rapid.IntRange(0, 4).Draw(t, "end") {
			case 0, 1:
				one.Kill = rapid.SampledFrom([]moment{beforeSend, afterEffect, afterAnswer}).Draw(t, "kill")
				one.At = rapid.IntRange(1, 12).Draw(t, "at")
			case 2:
				one.Stop = time.Duration(rapid.IntRange(1, 4000).Draw(t, "stop")) * time.Millisecond
			}
			c.Commands = append(c.Commands, one)
		}
		if rapid.IntRange(0, 2).Draw(t, "faulty") == 0 {
			c.Faults = drawFaults(t)
		}
		c.Lose = rapid.IntRange(0, 9).Draw(t, "lose") == 0
		c.Damage = max(0, rapid.IntRange(-30, 8).Draw(t, "damage"))
		c.Pass = rapid.SampledFrom([]time.Duration{0, 0, time.Second, time.Minute, inventory.Lifetime}).Draw(t, "pass")
		h.Chapters = append(h.Chapters, c)
	}
	return h
}

// drawFaults draws faults of every kind but the killed worker of a clone, which only root can clean up after.
func drawFaults(t *rapid.T) []pvesim.Fault {
	mutating := func(do pvesim.Action) pvesim.Fault {
		method := rapid.SampledFrom([]string{"POST", "PUT", "DELETE"}).Draw(t, "method")
		return pvesim.Fault{Request: &pvesim.RequestMatch{Method: method}, Do: do}
	}
	task := func(kind string, do pvesim.Action) pvesim.Fault {
		return pvesim.Fault{Task: &pvesim.TaskMatch{Type: kind}, Do: do}
	}
	var faults []pvesim.Fault
	for range rapid.IntRange(1, 3).Draw(t, "faults") {
		kinds := []pvesim.Fault{
			mutating(pvesim.Action{Drop: "before"}),
			mutating(pvesim.Action{Drop: "after"}),
			mutating(pvesim.Action{Refuse: &pvesim.Refusal{Status: 596, Text: "Connection timed out", Effect: true}}),
			mutating(pvesim.Action{Refuse: &pvesim.Refusal{Status: 500, Text: "moon phase"}}),
			mutating(pvesim.Action{Delay: 20 * time.Second}),
			{Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu/*/clone"}, Do: pvesim.Action{Claim: true}},
			{Request: &pvesim.RequestMatch{Method: "POST", Path: "/nodes/*/qemu"}, Do: pvesim.Action{NoWorker: true}},
			task(rapid.SampledFrom([]string{"qmconfig", "qmstart", "qmstop", "qmdestroy", "qmcreate", "resize"}).Draw(t, "killed"), pvesim.Action{Kill: true, Delay: 50 * time.Millisecond}),
			task(rapid.SampledFrom([]string{"qmclone", "qmstart", "qmstop", "qmdestroy"}).Draw(t, "failed"), pvesim.Action{Fail: "moon phase"}),
			task("", pvesim.Action{Delay: 30 * time.Second}),
			{Volume: &pvesim.VolumeMatch{Operation: "create"}, Do: pvesim.Action{Full: true}},
			{Volume: &pvesim.VolumeMatch{Operation: "destroy"}, Times: rapid.IntRange(1, 30).Draw(t, "busy"), Do: pvesim.Action{Busy: true}},
			{Volume: &pvesim.VolumeMatch{Operation: "destroy"}, Do: pvesim.Action{Delay: 12 * time.Second}},
			{Lock: &pvesim.LockMatch{File: "/var/lock/*/*"}, Times: rapid.IntRange(1, 6).Draw(t, "locked"), Do: pvesim.Action{Timeout: true}},
		}
		fault := rapid.SampledFrom(kinds).Draw(t, "fault")
		fault.Skip = rapid.IntRange(0, 8).Draw(t, "skip")
		faults = append(faults, fault)
	}
	return faults
}

// specs are the labs of the history.
func (h history) specs() []labrun.Spec {
	var specs []labrun.Spec
	for i, vms := range h.Labs {
		first := 9100 + 100*i
		if h.Shared {
			first = 9100
		}
		specs = append(specs, labSpec(fmt.Sprintf("lab%d", i), vms, first))
	}
	return specs
}

// String has the faults in full.
func (h history) String() string {
	data, err := json.Marshal(h)
	return fmt.Sprint(string(data), err)
}

// outcome is what became of a history.
type outcome struct {
	err       error
	processes int
	killed    int
	reported  int // times that something was reported as left
}

// live lives the history in virtual time and then takes every lab down.
func (h history) live(t *testing.T, base string) (out outcome) {
	synctest.Test(t, func(t *testing.T) {
		topology := pvesim.SandboxTopology(h.Major)
		topology.ClockSkew = h.Skew
		w, err := newWorld(t, base, topology)
		if err != nil {
			out.err = err
			return
		}
		before := w.strangers()
		specs := h.specs()
		for i, c := range h.Chapters {
			<-time.After(c.Pass)
			if c.Lose {
				w.loseState()
			}
			if err := w.damageJournals(c.Damage); err != nil {
				out.err = err
				return
			}
			if err := w.chapter(t.Context(), specs, c, &out); err != nil {
				out.err = fmt.Errorf("chapter %d: %w", i+1, err)
				return
			}
			if after := w.strangers(); after != before {
				out.err = fmt.Errorf("chapter %d: strangers' things changed:\n%s\nwere\n%s", i+1, after, before)
				return
			}
		}
		out.err = w.end(t.Context(), specs, &out)
		if after := w.strangers(); out.err == nil && after != before {
			out.err = fmt.Errorf("strangers' things changed:\n%s\nwere\n%s", after, before)
		}
		out.processes = int(w.lives.Load())
	})
	return out
}

// damageJournals makes the given line of every lab's journal unreadable.
func (w *world) damageJournals(number int) error {
	paths, err := filepath.Glob(filepath.Join(w.state, "labs", "*", "journal.jsonl"))
	for _, path := range paths {
		if number == 0 || err != nil {
			break
		}
		var text []byte
		if text, err = os.ReadFile(path); err != nil || len(text) == 0 {
			continue
		}
		lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
		lines[(number-1)%len(lines)] = []byte("garbage\n")
		err = os.WriteFile(path, bytes.Join(lines, nil), 0o600)
	}
	return err
}

// chapter runs the commands side by side, and checks what each says of itself.
func (w *world) chapter(ctx context.Context, specs []labrun.Spec, c chapter, out *outcome) error {
	w.cluster.SetFaults(pvesim.Faults{Faults: c.Faults})
	defer w.cluster.SetFaults(pvesim.Faults{})
	var wait sync.WaitGroup
	failures := make([]error, len(c.Commands))
	killed := make([]bool, len(c.Commands))
	for i, one := range c.Commands {
		wait.Go(func() { killed[i], failures[i] = w.perform(ctx, specs, one, len(c.Commands) == 1) })
	}
	wait.Wait()
	for i := range killed {
		if killed[i] {
			out.killed++
		}
	}
	return errors.Join(failures...)
}

// perform runs one command. Its error is a broken promise, not that the command failed.
func (w *world) perform(ctx context.Context, specs []labrun.Spec, one command, alone bool) (killed bool, broken error) {
	p, err := w.start(one.At, one.Kill)
	if err != nil {
		return false, err
	}
	if one.Stop > 0 {
		interrupted, interrupt := context.WithCancel(ctx)
		defer interrupt()
		defer time.AfterFunc(one.Stop, interrupt).Stop()
		ctx = interrupted
	}
	spec := specs[one.Lab]
	switch one.Verb {
	case "up":
		err = p.up(ctx, spec)
	case "down":
		_, err = p.down(ctx, spec)
	case "gc":
		all := map[string]labrun.Spec{}
		for _, spec := range specs {
			all[spec.Lab.Name] = spec
		}
		_, err = p.gc(ctx, all)
	case "bench":
		err = p.bench(ctx, spec)
	}
	if p.kill.dead.Load() {
		return true, nil
	}
	if errors.Is(err, errNotByName) {
		return false, err
	}
	var busy *journal.BusyError
	if errors.As(err, &busy) {
		return false, nil
	}
	if one.Verb == "down" && err == nil {
		return false, w.provedGone(spec)
	}
	if one.Verb == "up" && err != nil && alone && len(leftoversIn(err)) == 0 && !isLost(err) {
		return false, w.rolledBack(p, spec, err)
	}
	return false, nil
}

// isLost says that `up` refused to go on with VMs whose state is lost, or a part of it.
func isLost(err error) bool {
	var corrupt *journal.CorruptError
	return errors.As(err, &corrupt) || strings.Contains(err.Error(), "whose state is not in")
}

// bench reads the lab and measures for a while.
func (p *process) bench(ctx context.Context, spec labrun.Spec) error {
	run, err := p.Open(ctx, spec)
	if err != nil {
		return err
	}
	observed, err := run.Observe(ctx)
	for _, vm := range spec.Lab.VMs {
		if found, ok := observed.VM(vm.Name); ok && err == nil {
			err = plan.Drift(spec.Lab, vm, int(found.Ref.ID), found.Config)
		}
	}
	if err == nil && run.Active() {
		err = run.Journal.Detach("vm0", "trial-1")
		select {
		case <-time.After(30 * time.Second):
		case <-ctx.Done():
		}
		err = errors.Join(err, run.Journal.Attached("trial-1"))
	}
	if !run.Active() {
		err = errors.Join(err, run.Forget())
	}
	return errors.Join(err, run.Close())
}

// provedGone holds `down` to its word: no VM carries the lab's mark.
func (w *world) provedGone(spec labrun.Spec) error {
	for _, vm := range w.cluster.VMs() {
		if strings.Contains(vm.Config["description"], fmt.Sprintf(`"lab":%q`, spec.Lab.Name)) {
			return fmt.Errorf("down said that lab %s is gone, and VM %d is there\n%s", spec.Lab.Name, vm.ID, w.tale())
		}
	}
	return nil
}

// rolledBack holds a failed `up` to its word when nobody else was about: what it made in this run is gone.
func (w *world) rolledBack(p *process, spec labrun.Spec, cause error) error {
	state, err := p.Store.State(spec.Lab.Name)
	if err != nil || state.Active() {
		return err // VMs that were there before stay
	}
	if err := w.provedGone(spec); err != nil {
		return fmt.Errorf("up failed (%w) without a word of what is left: %w", cause, err)
	}
	return nil
}

// end takes every lab down as a person would: again when told so, and as root with the commands that are printed. Labs that
// share VMIDs may have to wait for each other.
func (w *world) end(ctx context.Context, specs []labrun.Spec, out *outcome) error {
	root, err := newOperator(ctx, w.cluster)
	if err != nil {
		return err
	}
	var failures []error
	for range 4 {
		failures = nil
		for _, spec := range specs {
			p, err := w.start(0, never)
			if err != nil {
				return err
			}
			_, err = p.down(ctx, spec)
			left := leftoversIn(err)
			if err != nil && len(left) == 0 {
				return fmt.Errorf("down of %s failed without saying what is left: %w", spec.Lab.Name, err)
			}
			out.reported += len(left)
			for _, one := range left {
				if err := root.obey(ctx, one); err != nil {
					w.talk.Line("operator: %v", err)
				}
			}
			failures = append(failures, err)
		}
		if errors.Join(failures...) == nil {
			break
		}
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("after four downs: %w\n%s", err, w.tale())
	}
	if left := w.leftovers(); len(left) > 0 {
		return fmt.Errorf("left behind: %s\n%s", strings.Join(left, ", "), w.tale())
	}
	return nil
}

var histories = flag.Int("histories", 100, "how many random histories to live")

// Random interleavings of up, down, bench, gc, kills, interrupts, faults and lost state over labs that share a server
// leave nothing behind that is not reported, and touch nothing of others.
func TestRandomHistories(t *testing.T) {
	base := stateBase(t)
	var lived, processes, killed, reported int
	begun := time.Now()
	wanted := *histories
	if *thorough {
		wanted = max(wanted, 2000)
	}
	for lived < wanted {
		rapid.Check(t, func(t2 *rapid.T) {
			h := drawHistory(t2)
			dir, err := os.MkdirTemp(base, "history") //nolint:usetesting // thousands of lives: each goes when it ends
			if err != nil {
				t2.Fatal(err)
			}
			defer os.RemoveAll(dir)
			out := h.live(t, dir)
			lived, processes, killed, reported = lived+1, processes+out.processes, killed+out.killed, reported+out.reported
			if out.err != nil {
				t2.Fatalf("%v\nin %s", out.err, h)
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d histories, %d processes, %d of them killed, %d leftovers reported and removed as advised, in %s", lived, processes, killed, reported, time.Since(begun))
}

// tale is what happened on the server, for the reader of a failure.
func (w *world) tale() string {
	var text strings.Builder
	for _, r := range w.cluster.Requests() {
		if r.Method != "GET" {
			fmt.Fprintf(&text, "%s %s %s %d %s\n", r.Time.Format("02 15:04:05.000"), r.Method, r.Path, r.Status, r.Reason)
		}
	}
	for _, task := range w.cluster.Tasks() {
		fmt.Fprintf(&text, "%s %s\n", task.UPID, task.Status)
	}
	return text.String() + strings.Join(w.talk.lines, "\n")
}
