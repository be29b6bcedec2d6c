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

// stepObserver shows the steps of several VMs.
type stepObserver struct {
	mu   sync.Mutex
	talk *ui.Progress
	// spellOut completes the commands that a line advises.
	spellOut func(line string) string
	running  map[string]string
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
	if o.running == nil {
		o.running = map[string]string{}
	}
	o.running[vm] = step
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
	var parts []string
	for _, vm := range slices.Sorted(maps.Keys(o.running)) {
		parts = append(parts, vm+" "+o.running[vm])
	}
	text := strings.Join(parts, ", ")
	o.talk.Status(func(elapsed time.Duration) string { return fmt.Sprintf("%s (%s)", text, ui.Short(elapsed)) })
}
