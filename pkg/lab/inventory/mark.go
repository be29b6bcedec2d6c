package inventory

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"labctl/pkg/pve"
)

// Tag is the PVE tag that every VM of labctl carries, for people; ownership is judged by the mark alone, since a
// clone inherits its template's tags (pve-api lab-findings §13).
const Tag = "labctl"

// BuildPrefix begins the name of the lab under which a template is built. No lab spec may use it.
const BuildPrefix = "template-"

// markFormat is the version of the mark's JSON that is written; every earlier one is read.
//
//   - 1: the first.
//   - 2: pool, state and vmid.
const markFormat = 2

// Mark is the owner mark in a VM's description: which lab run made it.
type Mark struct {
	Lab     string
	Owner   string // whose lab it is: the API token, or what the configuration says (user@machine before format 3)
	Run     string
	VM      string // the name in the lab spec
	Version string // the labctl that made it
	Expires time.Time
	Pool    string // "" before format 2
	State   string // tells the state directory, so that a lab of another one does not count as forgotten; "" before format 2
	VMID    int    // of the VM that was marked: a copy of it has the same notes; 0 before format 2
}

type markJSON struct {
	Format  int       `json:"labctl"`
	Lab     string    `json:"lab"`
	Owner   string    `json:"owner"`
	Run     string    `json:"run"`
	VM      string    `json:"vm"`
	Version string    `json:"version"`
	Expires time.Time `json:"expires"`
	Pool    string    `json:"pool,omitempty"`
	State   string    `json:"state,omitempty"`
	VMID    int       `json:"vmid,omitempty"`
}

// Description is the text for the VM's notes: a sentence for people and the mark itself.
func (m Mark) Description() string {
	mark, err := json.Marshal(markJSON{Format: markFormat, Lab: m.Lab, Owner: m.Owner, Run: m.Run, VM: m.VM, Version: m.Version, Expires: m.Expires.UTC(), Pool: m.Pool, State: m.State, VMID: m.VMID})
	if err != nil {
		panic(fmt.Sprintf("encoding an owner mark: %v", err)) // only strings and a time: cannot happen
	}
	what, remedy := "Throw-away benchmark VM", "labctl down "+m.Lab
	if strings.HasPrefix(m.Lab, BuildPrefix) {
		what, remedy = "Template that is not finished", "labctl gc --yes"
	}
	return fmt.Sprintf("%s. Remove it with: %s\n%s\n", what, remedy, mark)
}

// plainName is what labs and runs are called. They become names of files: whoever may edit a VM's notes must not choose which.
var plainName = regexp.MustCompile(`^[0-9A-Za-z-]+$`)

// Of says whether the mark was made for the VM with that VMID, and is not that of a copy of another VM.
func (m Mark) Of(id pve.VMID) bool { return m.VMID == 0 || m.VMID == int(id) }

// ParseMark finds the mark in a VM's description. Anything that is not exactly a mark is none: a VM is never
// taken for ours by resemblance.
func ParseMark(description string) (Mark, bool) {
	for line := range strings.Lines(description) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		var mark markJSON
		if !strings.HasPrefix(line, `{"labctl":`) || decoder.Decode(&mark) != nil {
			continue
		}
		if mark.Format < 1 || mark.Format > markFormat || !plainName.MatchString(mark.Lab) || !plainName.MatchString(mark.Run) {
			continue
		}
		return Mark{Lab: mark.Lab, Owner: mark.Owner, Run: mark.Run, VM: mark.VM, Version: mark.Version, Expires: mark.Expires, Pool: mark.Pool, State: mark.State, VMID: mark.VMID}, true
	}
	return Mark{}, false
}
