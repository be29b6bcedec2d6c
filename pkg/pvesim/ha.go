package pvesim

import (
	"fmt"
	"time"
)

// haPeriod is how often the HA manager looks at what is wanted (pve-ha-manager, PVE::Service::pve_ha_crm: every 10 s).
const haPeriod = 10 * time.Second

// SetHA puts a VM under the HA manager, or takes it out, as an administrator would.
func (c *Cluster) SetHA(id int, managed bool) {
	c.enter()
	defer c.unlock()
	if v, ok := c.vms[id]; ok {
		v.byHA = managed
	}
}

// askHA forks the task that only tells the HA manager what is wanted (API2/Qemu.pm, vm_start and vm_stop: ha-manager). The
// manager acts when it looks next.
func (k *call) askHA(v *vm, kind, wanted string, act func(*worker) error) (any, error) {
	return k.fork(kind, fmt.Sprint(v.id), sleepFor(k.timings.Fork), func(w *worker) error {
		w.logf("Requesting HA %s for VM %d", wanted, v.id)
		k.begin(nil, sleepFor(haPeriod), act)
		return nil
	})
}

// stopByHA is a stop of a VM that HA manages.
func (k *call) stopByHA(v *vm) (any, error) {
	return k.askHA(v, "hastop", "stop", func(*worker) error { return k.powerOff(v) })
}

// startByHA is a start of a VM that HA manages.
func (k *call) startByHA(v *vm) (any, error) {
	return k.askHA(v, "hastart", "start", func(w *worker) error {
		w.do(k.startSteps(v.id)...)
		return nil
	})
}
