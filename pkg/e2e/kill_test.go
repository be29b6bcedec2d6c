//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// small is a lab with one virtual machine that boots as fast as one can.
const small = `
apiVersion: labctl/v1
name: small
node: pve
template: {vmid: 9000}
vmids: {first: 9300, last: 9309}
network: {address: "10.9.8.{11..19}/24", gateway: 10.9.8.1}
vms:
  - {name: one, cores: 1, memory: 512MiB, osDisk: {size: 3GiB}, dataDisk: {storage: zfs, size: 1GiB}}
suite:
  blocks: 1
  rest: 0s
  workloads:
    - {name: write, fio: {rw: write, bs: 64k, size: 4m, end_fsync: 1}}
`

// TestKilled kills what can be killed while a virtual machine boots. Whatever it was, `down` ends in a clean state.
func TestKilled(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kill func(w *world, up *exec.Cmd)
		code int    // of `up`; -1: a signal
		says string // what `up` says
	}{
		"labctl": {kill: func(w *world, up *exec.Cmd) { w.kill(up.Process.Pid) }, code: -1},
		"one QEMU": {kill: func(w *world, _ *exec.Cmd) {
			for _, pid := range w.qemus() {
				w.kill(pid)
			}
		}, code: 1, says: "VM 9300 is not running"},
		"the sandbox": {kill: func(w *world, _ *exec.Cmd) { w.kill(w.sandbox().PID) }, code: 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			lab := w.write("small.yaml", small)
			up := w.command("up", lab)
			said := &watcher{}
			up.Stderr = said
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			w.until("QEMU runs", 2*time.Minute, func() bool { return strings.Contains(said.text(), "one        start") && len(w.qemus()) == 1 })
			w.lap("started")
			test.kill(w, up)
			_ = up.Wait() // the exit code tells
			w.lap("up ended")
			t.Log(said.text())
			if code := up.ProcessState.ExitCode(); code != test.code {
				t.Errorf("up ended with %d, want %d", code, test.code)
			}
			if !strings.Contains(said.text(), test.says) {
				t.Errorf("up does not say %q", test.says)
			}
			w.must("down", lab)
			w.nothingLeft()
			w.must("down", lab)
		})
	}
}
