package pvesim

import (
	"testing"
)

// What gets lost in a request is missing in the configuration and in the guest; what gets lost at the start is missing in
// the guest only.
func TestLose(t *testing.T) {
	guests := &countingGuests{booted: make(chan GuestSpec, 1)}
	tests := map[string]struct{ fault, inConfig, inGuest, keys string }{
		"nothing":    {"faults: []", "1", "1", testKey},
		"an option":  {"faults: [{request: {method: POST, path: /nodes/*/qemu/*/config}, do: {lose: [scsi1.ssd]}}]", "", "", testKey},
		"a key":      {"faults: [{request: {method: POST, path: /nodes/*/qemu/*/config}, do: {lose: [sshkeys]}}]", "1", "1", ""},
		"at start":   {"faults: [{boot: {vmid: 101}, do: {lose: [scsi1.ssd]}}]", "1", "", testKey},
		"of another": {"faults: [{boot: {vmid: 102}, do: {lose: [scsi1.ssd]}}]", "1", "1", testKey},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, err := New(SandboxTopology(9), WithGuests(guests), WithFaults(plan(t, test.fault)))
			if err != nil {
				t.Fatal(err)
			}
			serve(t, cluster)
			c := newClient(t, cluster)
			c.done(post, "/nodes/pve/qemu/9000/clone", "newid", "101", "pool", "labctl")
			ok[*string](c, post, "/nodes/pve/qemu/101/config", "sshkeys", testKey, "scsi1", "zfs:8,discard=on,ssd=1", "background_delay", "20")
			ok[string](c, post, "/nodes/pve/qemu/101/status/start")
			spec := <-guests.booted
			state, _ := cluster.VM(101)
			if got := parseDrive(state.Config["scsi1"]).options["ssd"]; got != test.inConfig {
				t.Errorf("ssd=%s in the configuration, want %q", got, test.inConfig)
			}
			if got := spec.Disks[1].Options["ssd"]; got != test.inGuest || spec.Disks[1].Options["discard"] != "on" {
				t.Errorf("the guest got %v, want ssd=%q", spec.Disks[1].Options, test.inGuest)
			}
			if got := state.Config["sshkeys"]; (got == "") != (test.keys == "") {
				t.Errorf("sshkeys %q", got)
			}
		})
	}
}

func TestLoseMakesNoSense(t *testing.T) {
	if _, err := ParseFaults("test", []byte("faults: [{task: {type: qmstart}, do: {lose: [scsi1.ssd]}}]")); err == nil {
		t.Error("no error for something lost by a task")
	}
}
