package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"labctl/pkg/internal/ui"
)

// activity is what a VM is at.
type activity struct {
	text  string // such as "waiting for the guest agent"
	since time.Time
}

// activities say what happens in a step; of the others the name says it.
func activities() map[string]string {
	return map[string]string{
		"upload": "uploading the cloud-init image", "clone": "being cloned", "configure": "being configured", "resize": "its disk grows",
		"start": "starting", "ready": "booting", "stop": "stopping", "destroy": "being removed", "prove": "looking for what is left", "free": "removing an upload",
	}
}

// stepObserver shows the steps of several VMs.
type stepObserver struct {
	mu   sync.Mutex
	talk *ui.Progress
	// spellOut completes the commands that a line advises.
	spellOut func(line string) string
	running  map[string]activity                 // by VM
	took     map[string]map[string]time.Duration // the steps that went well, by VM and step
}

// Line prints a line for good.
func (o *stepObserver) Line(format string, args ...any) {
	o.talk.Line("%s", o.spellOut(fmt.Sprintf(format, args...)))
}

// StepStarted shows what a VM is doing now.
func (o *stepObserver) StepStarted(vm, step, _ string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, ok := activities()[step]
	if !ok {
		text = step
	}
	o.at(vm, text)
}

// Waits shows what a VM that is under way waits for.
func (o *stepObserver) Waits(vm, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if is, ok := o.running[vm]; ok && is.text != text {
		o.at(vm, text)
	}
}

// at notes what a VM is at from now on, and shows it.
func (o *stepObserver) at(vm, text string) {
	if o.running == nil {
		o.running = map[string]activity{}
	}
	o.running[vm] = activity{text, time.Now()}
	o.show()
}

// StepFinished prints the step with its time.
func (o *stepObserver) StepFinished(vm, step string, took time.Duration, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, vm)
	o.remember(vm, step, took, err)
	if err != nil {
		o.talk.Line("%-10s %-9s failed after %s", vm, step, ui.Short(took))
	} else {
		o.talk.Line("%-10s %-9s %s", vm, step, ui.Short(took))
	}
	o.show()
}

func (o *stepObserver) remember(vm, step string, took time.Duration, err error) {
	if err != nil {
		return
	}
	if o.took == nil {
		o.took = map[string]map[string]time.Duration{}
	}
	if o.took[vm] == nil {
		o.took[vm] = map[string]time.Duration{}
	}
	o.took[vm][step] = took
}

// stepFact is the beginning of the names of facts that tell how long a VM's steps took.
const stepFact = "step_"

// facts are the times of a VM's steps in seconds, such as step_ready_seconds.
func (o *stepObserver) facts(vm string) map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	facts := map[string]string{}
	for step, took := range o.took[vm] {
		facts[stepFact+step+"_seconds"] = fmt.Sprintf("%.1f", took.Seconds())
	}
	return facts
}

func (o *stepObserver) show() {
	if len(o.running) == 0 {
		o.talk.Status(nil)
		return
	}
	running := maps.Clone(o.running)
	o.talk.Status(func(time.Duration) string { return underWay(running, time.Now()) })
}

// underWay says who is at what, and for how long the first of them has been: "3 VMs: waiting for the guest agent (10m55s)".
func underWay(running map[string]activity, now time.Time) string {
	who, since := map[string][]string{}, map[string]time.Time{}
	for _, vm := range slices.Sorted(maps.Keys(running)) {
		is := running[vm]
		if first, ok := since[is.text]; !ok || is.since.Before(first) {
			since[is.text] = is.since
		}
		who[is.text] = append(who[is.text], vm)
	}
	var parts []string
	for _, text := range slices.Sorted(maps.Keys(who)) {
		names := who[text][0]
		if n := len(who[text]); n > 1 {
			names = ui.Count(n, "VM")
		}
		parts = append(parts, fmt.Sprintf("%s: %s (%s)", names, text, ui.Short(now.Sub(since[text]))))
	}
	return strings.Join(parts, "; ")
}
