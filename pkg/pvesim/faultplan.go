package pvesim

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// armed is a fault with what it has seen so far.
type armed struct {
	Fault
	seen int
	hits int
}

// WithFaults makes things go wrong from the beginning.
func WithFaults(plan Faults) Option { return func(c *Cluster) { c.arm(plan) } }

// SetFaults replaces the plan; counting starts anew.
func (c *Cluster) SetFaults(plan Faults) {
	c.enter()
	defer c.unlock()
	c.arm(plan)
}

func (c *Cluster) arm(plan Faults) {
	c.faults = nil
	for _, f := range plan.Faults {
		c.faults = append(c.faults, &armed{Fault: f})
	}
}

// FaultHits returns how often each fault of the plan struck, in the plan's order.
func (c *Cluster) FaultHits() []int {
	c.enter()
	defer c.unlock()
	var hits []int
	for _, f := range c.faults {
		hits = append(hits, f.hits)
	}
	return hits
}

// strike returns the actions of all faults that match and whose turn it is.
func (c *Cluster) strike(matches func(Fault) bool) []Action {
	var actions []Action
	for _, f := range c.faults {
		if !matches(f.Fault) {
			continue
		}
		f.seen++
		times := max(f.Times, 1)
		if f.seen <= f.Skip || f.Times >= 0 && f.seen > f.Skip+times {
			continue
		}
		f.hits++
		c.logger.Info("fault", "name", f.Name)
		actions = append(actions, f.Do)
	}
	return actions
}

func glob(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// requestFault applies what the plan has for a request. It returns an answer when that takes the place of the real
// one, and a function for after the effect.
func (c *Cluster) requestFault(k *call, method, requestPath string) (instead error, after func() error) { //nolint:staticcheck // two errors: now, or after the effect
	actions := c.strike(func(f Fault) bool { return f.Request != nil && f.Request.matches(method, requestPath, k.params) })
	for _, a := range actions {
		if a.Daemon != "" {
			k.daemon = &daemonFault{fate: a.Daemon, after: a.Delay}
			continue
		}
		if a.Delay > 0 {
			if err := c.pass(k.ctx, a.Delay); err != nil {
				return err, nil
			}
		}
		if a.Migrate != "" {
			c.migrate(requestPath, a.Migrate)
		}
		if a.Claim {
			c.claim(k.params)
		}
		k.noWorker = k.noWorker || a.NoWorker
		k.params.lose(a.Lose)
		answer := a.instead()
		switch {
		case answer == nil:
		case a.Drop == "after" || a.Refuse != nil && a.Refuse.Effect:
			after = func() error { return answer }
		default:
			return answer, nil
		}
	}
	return nil, after
}

// instead is the answer that takes the place of the real one, if any.
func (a Action) instead() error {
	switch {
	case a.Drop != "":
		return &earlyError{answer{drop: true}}
	case a.Refuse == nil:
		return nil
	}
	r := a.Refuse
	return &apiError{status: r.Status, message: r.Text, bare: r.Bare || r.Status == 502 || r.Status >= 595}
}

func (m *RequestMatch) matches(method, requestPath string, p params) bool {
	if m.Method != "" && !strings.EqualFold(m.Method, method) || !glob(m.Path, requestPath) {
		return false
	}
	for name, value := range m.Params {
		if p.text(name) != value {
			return false
		}
	}
	return true
}

// migrate moves the VM of a path to another node.
func (c *Cluster) migrate(requestPath, target string) {
	parts := strings.Split(requestPath, "/")
	i := slices.Index(parts, "qemu")
	if i < 0 || i+1 >= len(parts) {
		return
	}
	id, err := strconv.Atoi(parts[i+1])
	if v, ok := c.vms[id]; err == nil && ok {
		c.moveTo(v, target)
	}
}

// claim makes somebody else's VM with the VMID that a request wants.
func (c *Cluster) claim(p params) {
	for _, name := range []string{"newid", "vmid"} {
		if !p.has(name) {
			continue
		}
		id := p.number(name, 0)
		if _, taken := c.vms[id]; !taken && id >= 100 {
			v := c.newVM(id, c.nodes[0].name)
			v.config = map[string]string{
				"name": "foreign", "meta": c.meta(), "smbios1": "uuid=" + c.uuid(), "vmgenid": c.uuid(), "boot": " ",
			}
			c.vms[id] = v
		}
		return
	}
}

// taskFault applies what the plan has for a task that starts: steps before its own, and perhaps a killer.
func (c *Cluster) taskFault(t *task) (before []step, killed func()) {
	for _, a := range c.strike(func(f Fault) bool {
		return f.Task != nil && (f.Task.Type == "" || f.Task.Type == t.kind) && (f.Task.ID == "" || f.Task.ID == t.id)
	}) {
		switch {
		case a.Kill:
			killed = func() { c.killLater(t, a.Delay) }
			continue
		case a.Delay > 0:
			before = append(before, sleepFor(a.Delay))
		}
		if a.Fail != "" {
			before = append(before, func(*worker) error { return errors.New(a.Fail) })
		}
	}
	return before, killed
}

func (c *Cluster) killLater(t *task, after time.Duration) {
	c.begin(nil, sleepFor(after), func(*worker) error {
		if t.running() {
			t.worker.kill()
		}
		return nil
	})
}

// volumeFault applies what the plan has for an operation on a volume.
func (c *Cluster) volumeFault(operation string, s *storage, name string) (delay time.Duration, err error) {
	for _, a := range c.strike(func(f Fault) bool { return f.Volume != nil && f.Volume.matches(operation, s.name, name) }) {
		delay += a.Delay
		switch {
		case a.Busy:
			err = errBusy
		case a.Full:
			err = errors.New("out of space")
		case a.Fail != "":
			err = errors.New(a.Fail)
		}
	}
	return delay, err
}

func (m *VolumeMatch) matches(operation, storage, name string) bool {
	onVolume := operation != "list" && operation != "status" // those are asked for by name only
	return (m.Operation == operation || m.Operation == "" && onVolume) && (m.Storage == "" || m.Storage == storage) && glob(m.Name, name)
}

// lockFault reports whether the plan has it that a lock is not got in time.
func (c *Cluster) lockFault(file string) bool {
	actions := c.strike(func(f Fault) bool { return f.Lock != nil && glob(f.Lock.File, file) })
	return slices.ContainsFunc(actions, func(a Action) bool { return a.Timeout })
}

// agentFault applies what the plan has for a call of a guest agent.
func (c *Cluster) agentFault(vmid int, a Agent, up bool) (Agent, bool) {
	for _, action := range c.strike(func(f Fault) bool { return f.Agent != nil && (f.Agent.VMID == 0 || f.Agent.VMID == vmid) }) {
		if action.Down {
			up = false
		}
		if action.Addresses != nil && a != nil {
			a = misled{Agent: a, action: action}
		}
	}
	return a, up
}

// misled is an agent that tells other addresses.
type misled struct {
	Agent
	action Action
}

// Interfaces implements Agent.
func (m misled) Interfaces() []AgentInterface {
	list := slices.Clone(m.Agent.Interfaces())
	for i := range list {
		if list[i].Name != "lo" {
			list[i].Addresses = m.action.Addresses
		}
	}
	return list
}

// lockTimeout is the error of a lock that was not got.
func lockTimeout(file string) error {
	return fmt.Errorf("can't lock file '%s' - got timeout", file)
}
