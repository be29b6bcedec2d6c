//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDrift: the configuration says ssd=1, and the guest sees a rotational disk. The lab is not called ready, disk and
// option are named, the console's end is shown, and what was made is removed.
func TestDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lab := w.write("small.yaml", small)
	w.must("sandbox", "start", "--faults", w.write("faults.yaml", "faults: [{boot: {vmid: 9300}, do: {lose: [scsi1.ssd]}}]\n"))
	result := w.run("up", lab)
	if result.code != 1 {
		t.Errorf("exit code %d, want 1", result.code)
	}
	for _, want := range []string{
		"one is not ready: data disk: scsi1, option ssd=1:", "is rotational in the guest", "the end of the console of VM 9300:\n",
		"up failed: removing what `up` made",
	} {
		if !strings.Contains(result.stderr, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	w.must("sandbox", "stop")
	w.nothingLeft()
}

// broken are VMs that all boot, and that each fail in their own way; their network has a DHCP server.
const broken = `
apiVersion: labctl/v1
name: broken
node: pve
template: {vmid: 9000}
vmids: {first: 9300, last: 9309}
network: {address: dhcp}
vmDefaults: {cores: 1, memory: 512MiB, osDisk: {size: 3GiB}, dataDisk: {storage: zfs, size: 1GiB}}
vms: [{name: noagent}, {name: nolease}, {name: wrongkey}]
suite:
  workloads:
    - {name: write, fio: {rw: write, bs: 64k, size: 4m}}
`

// TestNotReady names for each failure the probe that found it. The guests boot under one labctl, which is killed; another
// one, with little patience, goes on where it was.
func TestNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lab := w.write("broken.yaml", broken)
	w.must("sandbox", "start", "--faults", w.write("faults.yaml", `
faults:
  - {name: no agent, agent: {vmid: 9300}, times: -1, do: {down: true}}
  - {name: no lease, agent: {vmid: 9301}, times: -1, do: {addresses: ["fe80::1/64"]}}
  - {name: wrong key, request: {method: POST, path: /nodes/*/qemu/9302/config}, do: {lose: [sshkeys]}}
`))
	up := w.command("up", lab)
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	for vmid := 9300; vmid <= 9302; vmid++ {
		console := filepath.Join(w.sandboxDir(), "machines", fmt.Sprintf("vm-%d", vmid), "console.log")
		w.until("cloud-init is done", 15*time.Minute, func() bool {
			text, _ := os.ReadFile(console)
			return bytes.Contains(text, []byte(" finished at "))
		})
	}
	w.kill(up.Process.Pid)
	_ = up.Wait()
	w.lap("guests have booted")
	w.write(w.config, "guest: {patience: 30s}\n")
	result := w.run("up", "--keep-going", lab)
	w.lap("refused")
	if result.code != 1 {
		t.Errorf("exit code %d, want 1", result.code)
	}
	for _, want := range []string{
		"noagent is not ready: guest agent: ", "nolease is not ready: address: no IPv4 address on the interface", "wrongkey is not ready: SSH login: ",
		"the end of the console of VM 9300:", "the end of the console of VM 9301:", "the end of the console of VM 9302:",
	} {
		if !strings.Contains(result.stderr, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	w.must("down", lab)
}
