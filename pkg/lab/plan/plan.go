// Package plan compares what a lab wants with what exists and says, as data that can be printed, which steps
// lead from one to the other. It is pure: it asks nobody and changes nothing.
package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// Sequence is what happens to one VM, in order. Sequences of different VMs may run side by side.
type Sequence struct {
	VM     string // the name in the lab spec
	Index  int    // the VM's place in the lab spec
	Node   string
	VMID   int
	Exists bool // the VM was there before the plan
	// Formerly are other nodes on which the VM was, and may have left volumes.
	Formerly []string
	Steps    []Step
}

// Plan is what has to be done.
type Plan struct {
	Lab       string     `json:"lab"`
	Sequences []Sequence `json:"vms"`
}

// Changes counts the steps that change something on PVE.
func (p Plan) Changes() int {
	n := 0
	for _, sequence := range p.Sequences {
		for _, step := range sequence.Steps {
			switch step.(type) {
			case Ready, Prove:
			default:
				n++
			}
		}
	}
	return n
}

type stepJSON struct {
	Step   string `json:"step"`
	Detail string `json:"detail,omitempty"`
}

type sequenceJSON struct {
	VM     string     `json:"vm"`
	Node   string     `json:"node"`
	VMID   int        `json:"vmid"`
	Exists bool       `json:"exists"`
	Steps  []stepJSON `json:"steps"`
}

// MarshalJSON writes the steps by name and detail.
func (s Sequence) MarshalJSON() ([]byte, error) {
	out := sequenceJSON{VM: s.VM, Node: s.Node, VMID: s.VMID, Exists: s.Exists, Steps: []stepJSON{}}
	for _, step := range s.Steps {
		out.Steps = append(out.Steps, stepJSON{Step: step.Name(), Detail: step.Detail()})
	}
	return json.Marshal(out)
}

// DriftError says that a VM of the lab is not what the spec asks for.
type DriftError struct {
	VM          string
	VMID        int
	Differences []Difference
}

// Difference is one setting that is not as asked.
type Difference struct{ Key, Want, Got string }

// Error lists every difference, and says what to do.
func (e *DriftError) Error() string {
	return e.Differs() + "; run `labctl down` and `labctl up` again"
}

// Differs lists every difference.
func (e *DriftError) Differs() string {
	differs := make([]string, len(e.Differences))
	for i, difference := range e.Differences {
		differs[i] = fmt.Sprintf("%s is %s, wanted %s", difference.Key, cmp.Or(difference.Got, "unset"), difference.Want)
	}
	return fmt.Sprintf("VM %s (%d) is not what the spec asks for: %s", e.VM, e.VMID, strings.Join(differs, "; "))
}
