package pvesim

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// powerTask forks a task that works on the VM of the path while holding its file lock.
func (k *call) powerTask(kind string, work step) (any, error) {
	if k.params.has("skiplock") && !k.who.isRoot() {
		return nil, badParameter("skiplock", "Only root may use this option.")
	}
	return k.fork(kind, fmt.Sprint(k.vmid()), locked(vmLockFile(k.vmid()), k.timings.LockConfig, work))
}

// startVM is POST .../status/start. It always answers with a task; only that fails.
func startVM(k *call) (any, error) {
	if v, ok := k.vms[k.vmid()]; ok && v.byHA && v.node == k.node() {
		return k.startByHA(v)
	}
	return k.powerTask("qmstart", func(w *worker) error {
		if _, err := k.vm(); err != nil {
			return err
		}
		w.do(k.startSteps(k.vmid())...)
		return nil
	})
}

// startSteps checks a VM and starts it.
func (k *call) startSteps(id int) []step {
	check := func(w *worker) error {
		v := k.vms[id]
		switch {
		case v == nil:
			return fmt.Errorf("Configuration file 'nodes/%s/qemu-server/%d.conf' does not exist", k.node(), id) //nolint:staticcheck // PVE's own words
		case v.template():
			return errors.New("you can't start a vm if it's a template")
		case v.running() && v.config["lock"] == "backup":
			return nil // a backup may have paused it: it is resumed
		case v.config["lock"] != "":
			return v.checkLock()
		case v.running():
			return fmt.Errorf("VM %d already running", id)
		}
		k.applyPending(v)
		boot := func(*worker) error { return k.boot(v) }
		w.do(sleepFor(k.timings.Fork), func(w *worker) error { return k.checkStart(w, v) }, sleepFor(k.timings.Start-k.timings.Fork), boot)
		return nil
	}
	return []step{check}
}

// checkStart finds what keeps QEMU from starting.
func (k *call) checkStart(w *worker, v *vm) error {
	n, _ := k.nodeNamed(v.node)
	for _, key := range sortedKeys(v.config) {
		value := v.config[key]
		switch {
		case isNetKey(key):
			if bridge := parseOptions(value)["bridge"]; n != nil && bridge != "" && !n.hasBridge(bridge) {
				return k.badBridge(w, v, key, bridge)
			}
		case key == "cicustom":
			for _, volid := range parseOptions(value) {
				if _, ok := k.volume(volid); !ok {
					return fmt.Errorf("volume '%s' does not exist", volid)
				}
			}
		case isDriveKey(key) && parseDrive(value).isCloudinit():
			w.logf("generating cloud-init ISO")
		}
	}
	if n != nil && v.cpus() > n.cpus {
		return fmt.Errorf("MAX %d vcpus allowed per VM on this node", n.cpus) // qemu-server 9.2.6, QemuServer.pm:3383
	}
	if n != nil && v.memory() > n.memory {
		w.logf("qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory")
		return errors.New("start failed: QEMU exited with code 1")
	}
	return nil
}

func (k *call) badBridge(w *worker, v *vm, key, bridge string) error {
	if k.major >= 9 {
		return fmt.Errorf("bridge '%s' does not exist", bridge)
	}
	number := strings.TrimPrefix(key, "net")
	w.logf("bridge '%s' does not exist", bridge)
	w.logf("qemu-system-x86_64: -netdev type=tap,id=net%[2]s,ifname=tap%[1]di%[2]s,script=/usr/libexec/qemu-server/pve-bridge,"+
		"downscript=/usr/libexec/qemu-server/pve-bridgedown: network script /usr/libexec/qemu-server/pve-bridge failed with status 512",
		v.id, number)
	return errors.New("start failed: QEMU exited with code 1")
}

// boot makes the VM run, and its guest if something bootable is on its disks.
func (c *Cluster) boot(v *vm) error {
	if !c.bootable(v) {
		v.run(c, nil)
		return nil
	}
	spec := c.guestSpec(v)
	c.bootFault(&spec)
	guest, err := c.guests.Boot(spec)
	if err != nil {
		return fmt.Errorf("start failed: %w", err)
	}
	v.run(c, guest)
	return nil
}

// stopVM is POST .../status/stop. Stopping a stopped VM succeeds.
func stopVM(k *call) (any, error) {
	if v, ok := k.vms[k.vmid()]; ok && v.byHA && v.node == k.node() {
		return k.stopByHA(v)
	}
	return k.powerTask("qmstop", func(w *worker) error {
		v, ok := k.vms[k.vmid()]
		if !ok || v.node != k.node() {
			return fmt.Errorf("unable to find configuration file for VM %d on node '%s'", k.vmid(), k.node())
		}
		if !v.running() {
			return nil
		}
		if !k.params.flag("skiplock") {
			if err := v.checkLock(); err != nil {
				return err
			}
		}
		w.do(sleepFor(k.timings.Stop), func(*worker) error { return k.powerOff(v) })
		return nil
	})
}

// powerOff ends the VM's process and its guest.
func (c *Cluster) powerOff(v *vm) error {
	if v.process == nil {
		return nil
	}
	guest := v.process.guest
	v.process = nil
	c.applyPending(v)
	if guest == nil {
		return nil
	}
	if err := guest.PowerOff(); err != nil {
		return fmt.Errorf("stopping the guest: %w", err)
	}
	return nil
}

// shutdownVM is POST .../status/shutdown: the guest is asked, by its agent or by ACPI.
func shutdownVM(k *call) (any, error) {
	return k.powerTask("qmshutdown", func(w *worker) error {
		v, ok := k.vms[k.vmid()]
		if !ok || v.node != k.node() {
			return fmt.Errorf("unable to find configuration file for VM %d on node '%s'", k.vmid(), k.node())
		}
		if !v.running() {
			return nil
		}
		if err := v.checkLock(); err != nil {
			return err
		}
		w.do(k.shutdownSteps(v)...)
		return nil
	})
}

func (k *call) shutdownSteps(v *vm) []step {
	off := func(*worker) error { return k.powerOff(v) }
	if mortal, ok := v.process.guest.(Mortal); ok {
		return k.realShutdown(v, mortal, off)
	}
	if v.process.guest != nil {
		if _, up := v.process.guest.Agent(); up {
			return []step{sleepFor(k.timings.Shutdown), off}
		}
	}
	limit := k.shutdownLimit()
	steps := []step{sleepFor(limit)}
	if v.agentEnabled() {
		steps = append([]step{k.pingInVain(v)}, steps...)
	}
	if k.params.flag("forceStop") {
		return append(steps, func(w *worker) error { w.logf("VM still running - terminating now with SIGTERM"); return nil }, off)
	}
	return append(steps, func(*worker) error { return errors.New("VM quit/powerdown failed - got timeout") })
}

// shutdownLimit is how long a guest may take to shut down.
func (k *call) shutdownLimit() time.Duration {
	return time.Duration(k.params.number("timeout", 60)) * time.Second
}

// realShutdown asks a guest's operating system to shut down and waits until it has.
func (k *call) realShutdown(v *vm, mortal Mortal, off step) []step {
	const glance = 200 * time.Millisecond
	deadline := k.clock.Add(k.shutdownLimit())
	var look step
	look = func(w *worker) error {
		switch {
		case v.process == nil || mortal.Ended():
			return k.powerOff(v)
		case k.clock.Before(deadline):
			w.do(sleepFor(glance), look)
			return nil
		case k.params.flag("forceStop"):
			w.logf("VM still running - terminating now with SIGTERM")
			return off(w)
		}
		return errors.New("VM quit/powerdown failed - got timeout")
	}
	return []step{func(*worker) error { return mortal.PressPowerButton() }, look}
}

// pingInVain is the attempt to reach an agent that is not there. A signal ends only this attempt, not the task.
func (k *call) pingInVain(v *vm) step {
	return func(w *worker) error {
		w.try(func(w *worker, err error) error {
			if interrupted(err) {
				w.logf("QEMU Guest Agent is not running - %v", err)
				return nil
			}
			return err
		}, sleepFor(k.timings.AgentDown), func(w *worker) error {
			command := "qga"
			if k.major == 8 {
				command = "qmp"
			}
			w.logf("QEMU Guest Agent is not running - VM %d %s command 'guest-ping' failed - got timeout", v.id, command)
			return nil
		})
		return nil
	}
}

// runningVM is the VM of the path, if it runs.
func (k *call) runningVM() (*vm, error) {
	v, err := k.vm()
	if err != nil {
		return nil, err
	}
	if !v.running() {
		return nil, failure("VM %d not running", v.id)
	}
	return v, nil
}

// resetVM is POST .../status/reset.
func resetVM(k *call) (any, error) {
	if _, err := k.runningVM(); err != nil {
		return nil, err
	}
	return k.powerTask("qmreset", sleepFor(k.timings.Fork))
}

// rebootVM is POST .../status/reboot: shutdown and start in one, so that pending changes take effect.
func rebootVM(k *call) (any, error) {
	v, err := k.runningVM()
	if err != nil {
		return nil, err
	}
	return k.powerTask("qmreboot", func(w *worker) error {
		if v.process == nil {
			return fmt.Errorf("VM %d not running", v.id)
		}
		w.do(append(k.shutdownSteps(v), k.startSteps(v.id)...)...)
		return nil
	})
}

// suspendVM is POST .../status/suspend without to-disk: the processors stop.
func suspendVM(k *call) (any, error) { return k.pause("qmpause", true) }

// resumeVM is POST .../status/resume.
func resumeVM(k *call) (any, error) { return k.pause("qmresume", false) }

func (k *call) pause(kind string, paused bool) (any, error) {
	v, err := k.runningVM()
	if err != nil {
		return nil, err
	}
	return k.powerTask(kind, func(w *worker) error {
		if v.process == nil {
			return fmt.Errorf("VM %d not running", v.id)
		}
		v.process.paused = paused
		if !paused {
			w.pause(k.timings.Fork)
		}
		return nil
	})
}

func (n *node) hasBridge(name string) bool {
	for _, b := range n.bridges {
		if b == name {
			return true
		}
	}
	return false
}
