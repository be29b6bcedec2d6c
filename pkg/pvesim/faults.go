package pvesim

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Faults is a plan of what goes wrong. It is exact: the n-th time that something happens, always, and never by chance.
type Faults struct {
	Faults []Fault `yaml:"faults"`
}

// Fault is one thing that goes wrong. Exactly one of Request, Task, Volume, Lock, Agent and Boot says where.
type Fault struct {
	Name    string        `yaml:"name"`
	Request *RequestMatch `yaml:"request"`
	Task    *TaskMatch    `yaml:"task"`
	Volume  *VolumeMatch  `yaml:"volume"`
	Lock    *LockMatch    `yaml:"lock"`
	Agent   *AgentMatch   `yaml:"agent"`
	Boot    *BootMatch    `yaml:"boot"`

	Skip  int `yaml:"skip"`  // so many matching occurrences pass unharmed first
	Times int `yaml:"times"` // so many are hit then; 0 means one, -1 all

	Do Action `yaml:"do"`
}

// RequestMatch selects API requests. Empty fields match everything.
type RequestMatch struct {
	Method string            `yaml:"method"`
	Path   string            `yaml:"path"` // without /api2/json; * is any part, as in path.Match
	Params map[string]string `yaml:"params"`
}

// TaskMatch selects tasks when they start.
type TaskMatch struct {
	Type string `yaml:"type"` // qmclone, qmconfig, qmstart, qmdestroy, ...
	ID   string `yaml:"id"`   // the VMID in the UPID: for a clone that of its source
}

// VolumeMatch selects single operations on volumes.
type VolumeMatch struct {
	Operation string `yaml:"operation"` // create, clone or destroy; list and status are looks at the storage as a whole
	Storage   string `yaml:"storage"`
	Name      string `yaml:"name"` // as in path.Match, for example vm-101-disk-*; for create and clone vm-101-*
}

// LockMatch selects attempts to get a file lock.
type LockMatch struct {
	File string `yaml:"file"` // as in path.Match, for example /var/lock/pve-manager/pve-storage-*
}

// AgentMatch selects calls of a guest agent.
type AgentMatch struct {
	VMID int `yaml:"vmid"` // 0 is every VM
}

// BootMatch selects starts of guests.
type BootMatch struct {
	VMID int `yaml:"vmid"` // 0 is every VM
}

// Action is what happens. Which fields make sense depends on the match.
type Action struct {
	// Delay comes before everything else: before a request is looked at, before a worker is killed, before a volume
	// operation.
	Delay time.Duration `yaml:"delay"`

	// For requests.
	Refuse  *Refusal `yaml:"refuse"`
	Drop    string   `yaml:"drop"`    // before or after: the connection ends without an answer, before or after the effect
	Migrate string   `yaml:"migrate"` // the VM of the path has moved to this node
	Claim   bool     `yaml:"claim"`   // somebody else takes the VMID that the request wants (vmid or newid)
	// NoWorker answers "got no worker upid - start worker failed" where a task would begin; what is written before stays.
	NoWorker bool `yaml:"no_worker"`

	// Daemon is what becomes of pvedaemon: away (595, nothing was sent to it), before (596, its worker is killed before it
	// reads the request) or during (596, it is killed Delay after the request; what a task does goes on). Requests that
	// pveproxy answers by itself are not hit.
	Daemon string `yaml:"daemon"`

	// Lose is what gets lost on the way: parameters of a request, such as sshkeys, or options of one, such as scsi1.ssd; with
	// boot, options of a disk that the configuration keeps but the guest does not get.
	Lose []string `yaml:"lose"`

	Kill bool `yaml:"kill"` // for tasks: SIGKILL, so that locks and half-made things stay

	// For tasks and volumes.
	Fail string `yaml:"fail"` // error text
	Busy bool   `yaml:"busy"` // for volumes: dataset is busy, once for each time
	Full bool   `yaml:"full"` // for volumes: out of space

	Timeout bool `yaml:"timeout"` // for locks: not got in time

	Down      bool           `yaml:"down"`      // for agents: no answer
	Addresses []netip.Prefix `yaml:"addresses"` // for agents: these instead of the real ones
}

// Refusal is an answer instead of the right one.
type Refusal struct {
	Status int    `yaml:"status"` // 403, 500, 502, 595, 596, 599, ...
	Text   string `yaml:"text"`   // the reason in the status line
	Bare   bool   `yaml:"bare"`   // without a JSON body, as a proxy answers; always so for 502 and 595 to 599
	Effect bool   `yaml:"effect"` // what was asked for is done all the same
}

// ParseFaults reads a plan written in YAML or JSON. Unknown keys and faults that make no sense are errors.
func ParseFaults(name string, data []byte) (Faults, error) {
	var plan Faults
	if err := yaml.UnmarshalWithOptions(data, &plan, yaml.Strict()); err != nil {
		return Faults{}, fmt.Errorf("reading the fault plan %s: %w", name, err)
	}
	var errs []error
	for i, f := range plan.Faults {
		if err := f.validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: fault %d (%s): %w", name, i+1, f.Name, err))
		}
	}
	return plan, errors.Join(errs...)
}

func (f Fault) validate() error {
	places := 0
	for _, given := range []bool{f.Request != nil, f.Task != nil, f.Volume != nil, f.Lock != nil, f.Agent != nil, f.Boot != nil} {
		places += bit(given)
	}
	if places != 1 {
		return errors.New("exactly one of request, task, volume, lock, agent and boot must be given")
	}
	if d := f.Do.Drop; d != "" && d != "before" && d != "after" {
		return fmt.Errorf("drop is before or after, not %q", d)
	}
	if d := f.Do.Daemon; d != "" && !slices.Contains(daemonFates, d) {
		return fmt.Errorf("daemon is %s, not %q", strings.Join(daemonFates, ", "), d)
	}
	if r := f.Do.Refuse; r != nil && (r.Status < 400 || r.Status > 599) {
		return fmt.Errorf("status %d is no refusal", r.Status)
	}
	for _, pattern := range f.patterns() {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return f.validateAction()
}

// validateAction fails for an action that its match has no use for.
func (f Fault) validateAction() error {
	d := f.Do
	allowed := map[string]bool{
		"refuse": f.Request != nil, "drop": f.Request != nil, "migrate": f.Request != nil, "claim": f.Request != nil, "no_worker": f.Request != nil,
		"kill": f.Task != nil, "fail": f.Task != nil || f.Volume != nil, "busy": f.Volume != nil, "full": f.Volume != nil,
		"timeout": f.Lock != nil, "down": f.Agent != nil, "addresses": f.Agent != nil,
		"lose": f.Request != nil || f.Boot != nil, "daemon": f.Request != nil,
	}
	given := map[string]bool{
		"refuse": d.Refuse != nil, "drop": d.Drop != "", "migrate": d.Migrate != "", "claim": d.Claim, "no_worker": d.NoWorker, "kill": d.Kill,
		"fail": d.Fail != "", "busy": d.Busy, "full": d.Full, "timeout": d.Timeout, "down": d.Down,
		"addresses": d.Addresses != nil, "lose": d.Lose != nil, "daemon": d.Daemon != "",
	}
	some := d.Delay > 0
	for _, action := range sortedKeys(given) {
		some = some || given[action]
		if given[action] && !allowed[action] {
			return fmt.Errorf("%s makes no sense here", action)
		}
	}
	if !some {
		return errors.New("nothing to do")
	}
	return nil
}

func (f Fault) patterns() []string {
	switch {
	case f.Request != nil:
		return []string{f.Request.Path}
	case f.Volume != nil:
		return []string{f.Volume.Name}
	case f.Lock != nil:
		return []string{f.Lock.File}
	}
	return nil
}
