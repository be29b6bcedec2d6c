package guest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

func TestAwait(t *testing.T) {
	tests := map[string]struct {
		change  func(*fakeGuest, *VM)
		address string
		atLeast time.Duration // and not much longer
	}{
		"a guest that is up":      {func(*fakeGuest, *VM) {}, "192.168.7.101", 0},
		"a guest that boots":      {func(g *fakeGuest, _ *VM) { g.agent, g.sshd, g.admits = 40*time.Second, 45*time.Second, 50*time.Second }, "192.168.7.101", 50 * time.Second},
		"new host keys meanwhile": {func(g *fakeGuest, _ *VM) { g.agent, g.keys, g.sshd = time.Second, 15*time.Second, 20*time.Second }, "192.168.7.101", 20 * time.Second},
		"address from the agent": {func(g *fakeGuest, vm *VM) {
			vm.Address, vm.MAC, g.lease = VM{}.Address, "bc:24:11:00:00:01", 10*time.Second
		}, "10.0.0.7", 10 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, vm := newFakeGuest(t), wanted()
				test.change(g, &vm)
				ready, err := g.waiter().Await(t.Context(), vm)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(g.start); took < test.atLeast || took > test.atLeast+8*time.Second {
					t.Errorf("it took %v, want %v and little more", took, test.atLeast)
				}
				if ready.Host == nil || g.open != 1 {
					t.Errorf("%d connections are open", g.open)
				}
				ready.Host = nil
				want := Ready{Address: test.address, HostKey: ownKey, BootID: bootID, Facts: g.facts}
				if diff := cmp.Diff(want, ready); diff != "" {
					t.Errorf("ready (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestNotReady(t *testing.T) {
	exit := &remote.ExitError{Code: 1, Stderr: []byte("labctl: installing fio\n  E: no network\nlabctl: fio cannot be installed\n")}
	failing := func(err error) func(*fakeGuest, *VM) {
		return func(g *fakeGuest, _ *VM) {
			g.run = func(command remote.Command) (remote.Output, error) {
				if command.Script == "" {
					return g.answer(command), nil
				}
				return remote.Output{}, err
			}
		}
	}
	never := time.Hour
	tests := map[string]struct {
		change func(*fakeGuest, *VM)
		probe  string
		want   string // in the message
		waited time.Duration
	}{
		"dead agent":   {func(g *fakeGuest, _ *VM) { g.agent = never }, "guest agent", "not answering (after 5m0s; is qemu-guest-agent installed", 5 * time.Minute},
		"no agent":     {func(g *fakeGuest, _ *VM) { g.agent, g.agentErr = never, pve.ErrAgentNotConfigured }, "guest agent", "not configured", 3 * time.Second},
		"VM died":      {func(g *fakeGuest, _ *VM) { g.agent, g.agentErr = never, pve.ErrVMNotRunning }, "guest agent", "VM is not running", 3 * time.Second},
		"wrong secret": {func(g *fakeGuest, _ *VM) { g.agent, g.agentErr = never, pve.ErrAuth }, "guest agent", "authentication refused", 3 * time.Second},
		"no privilege": {func(g *fakeGuest, _ *VM) {
			g.agent, g.agentErr = never, &pve.PermissionError{Path: "/vms/101", Privilege: "VM.Monitor", TokenID: "lab@pve!run"}
		}, "guest agent", "lacks VM.Monitor on /vms/101 (after 3s; give a role that has VM.Monitor", 3 * time.Second},
		"no lease":                {func(g *fakeGuest, vm *VM) { vm.Address, vm.MAC, g.lease = VM{}.Address, "BC:24:11:00:00:01", never }, "address", "docker0 02:42:00:00:00:01 [172.17.0.1/16] (after 2m0s; is there a DHCP server", 2 * time.Minute},
		"no sshd":                 {func(g *fakeGuest, _ *VM) { g.sshd = never }, "SSH login", "connection refused", 2 * time.Minute},
		"somebody else's address": {func(g *fakeGuest, _ *VM) { g.keys = never }, "SSH login", "is own, want other", 2 * time.Minute},
		"key refused":             {func(g *fakeGuest, _ *VM) { g.admits = never }, "SSH login", `does not admit user "lab"`, 2 * time.Minute},
		"script fails":            {failing(exit), "preparation", "2gb is not ready: preparation: installing fio\n  E: no network\nfio cannot be installed (after", 0},
		"script is mute":          {failing(&remote.ExitError{Target: "2gb", Command: "prepare", Code: 7}), "preparation", "exit status 7", 0},
		"connection goes":         {failing(&remote.ConnectionLostError{Target: "2gb", Err: errors.New("reset")}), "preparation", "connection lost", 10 * time.Minute},
		"dead at the login":       {func(g *fakeGuest, _ *VM) { g.dies, g.sshd = time.Second, never }, "SSH login", "VM is not running", 32 * time.Second},
		"dead in the script": {func(g *fakeGuest, vm *VM) {
			g.dies = time.Second
			failing(&remote.ConnectionLostError{Target: "2gb", Err: errors.New("reset")})(g, vm)
		}, "preparation", "VM is not running", 32 * time.Second},
		"script babbles": {func(g *fakeGuest, _ *VM) {
			g.run = func(remote.Command) (remote.Output, error) { return remote.Output{Stdout: []byte("hello\n")}, nil }
		}, "preparation", "is not key=value", 0},
		"no fio":       {func(g *fakeGuest, _ *VM) { delete(g.facts, "fio_version") }, "facts", "does not tell its fio_version", 0},
		"no boot ID":   {func(g *fakeGuest, _ *VM) { delete(g.facts, "boot_id") }, "facts", "does not tell its boot_id", 0},
		"unknown disk": {func(g *fakeGuest, _ *VM) { delete(g.facts, "disk_size_bytes") }, "data disk", "does not tell which disk is below /opt/data", 0},
		"small disk":   {func(g *fakeGuest, _ *VM) { g.facts["disk_size_bytes"] = "1024" }, "data disk", "scsi1, option size: sdb has 1024 bytes in the guest, want 68719476736", 0},
		"lost ssd":     {func(g *fakeGuest, _ *VM) { g.facts["rotational"] = "1" }, "data disk", "scsi1, option ssd=1: sdb is rotational in the guest", 0},
		"lost discard": {func(g *fakeGuest, _ *VM) { g.facts["discard_max_bytes"] = "0" }, "data disk", "scsi1, option discard=on: sdb takes no discards", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, vm := newFakeGuest(t), wanted()
				test.change(g, &vm)
				_, err := g.waiter().Await(t.Context(), vm)
				failure, ok := errors.AsType[*NotReadyError](err)
				if !ok {
					t.Fatalf("err = %v, want a *NotReadyError", err)
				}
				if failure.VM != "2gb" || failure.Probe != test.probe || failure.Hint == "" || failure.Waited.Round(time.Second) != test.waited {
					t.Errorf("failure = %+v, want probe %s after %v", failure, test.probe, test.waited)
				}
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("message:\n%v\nwant in it:\n%s", err, test.want)
				}
				if slow := strings.Contains(err.Error(), "guest.patience"); slow != (test.waited >= time.Minute) {
					t.Errorf("after %v it says that more time would help: %v\n%v", test.waited, slow, err)
				}
				if g.open != 0 {
					t.Errorf("%d connections are left open", g.open)
				}
			})
		})
	}
}

// TestAgentIsNotPestered: a question to a dead agent keeps PVE busy for 3 s.
func TestAgentIsNotPestered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest(t)
		g.agent = time.Hour
		_, _ = g.waiter().Await(t.Context(), wanted())
		if pings := g.count("agent"); pings < 35 || pings > 50 {
			t.Errorf("%d pings in five minutes", pings)
		}
	})
}

func TestRebootDuringPreparation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest(t)
		g.facts["boot_id"] = "second-boot"
		ready, err := g.waiter().Await(t.Context(), wanted())
		if err != nil || ready.BootID != "second-boot" {
			t.Errorf("boot %q, error %v", ready.BootID, err)
		}
		if runs := g.count("run prepare"); runs != 2 {
			t.Errorf("the preparation ran %d times, want once more after the reboot", runs)
		}
	})
}

func TestLoginBeforePAMIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest(t)
		g.run = func(command remote.Command) (remote.Output, error) {
			if time.Since(g.start) < 10*time.Second {
				return remote.Output{}, &remote.ConnectionLostError{Target: "2gb", Err: errors.New("system is booting up")}
			}
			return g.answer(command), nil
		}
		if _, err := g.waiter().Await(t.Context(), wanted()); err != nil || g.open != 1 {
			t.Errorf("error %v, %d connections open", err, g.open)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newFakeGuest(t)
		g.sshd = time.Hour
		stopped := errors.New("stopped by the user")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(stopped) })
		_, err := g.waiter().Await(ctx, wanted())
		if _, notReady := errors.AsType[*NotReadyError](err); notReady || !errors.Is(err, stopped) {
			t.Errorf("err = %v", err)
		}
		if !strings.Contains(err.Error(), "waiting for SSH login of 2gb") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("the message does not say what was waited for: %v", err)
		}
		if took := time.Since(g.start); took != 10*time.Second {
			t.Errorf("it returned after %v", took)
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, w := newFakeGuest(t), (*Waiter)(nil)
		g.agent = time.Second
		g.facts = map[string]string{"kind": "host-process", "boot_id": bootID, "directory": "/d", "fio_version": "fio-3.39"}
		var got []string
		w = g.waiter()
		w.Observe = func(e Event) {
			text := strings.Join([]string{e.VM, e.Probe, string(e.Kind)}, " ")
			if e.Err != nil {
				text += ": " + e.Err.Error()
			}
			if e.Note != "" {
				text += ": " + e.Note
			}
			got = append(got, text)
			if e.Of != 7 || e.Number < 1 || e.Number > 7 {
				t.Errorf("probe %d of %d", e.Number, e.Of)
			}
		}
		if _, err := w.Await(t.Context(), wanted()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"2gb guest agent began", "2gb guest agent retried: guest agent is down: not answering", "2gb guest agent held",
			"2gb host key began", "2gb host key held", "2gb address began", "2gb address held",
			"2gb SSH login began", "2gb SSH login held", "2gb preparation began", "2gb preparation held",
			"2gb facts began", "2gb facts held", "2gb data disk began",
			"2gb data disk held: skipped: the guest is a process of this machine and has no disk of its own",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestNetworkIsAskedBeforePVE(t *testing.T) {
	tests := map[string]struct {
		listens time.Duration // after the start
		agent   error
		pings   int // at most
		failure string
	}{
		"boots in 20 s":       {20 * time.Second, nil, 2, ""},
		"nothing ever there":  {time.Hour, pve.ErrAgentNotAnswering, 11, "network"},
		"VM died in its boot": {time.Hour, pve.ErrVMNotRunning, 1, "network"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, vm := newFakeGuest(t), wanted()
				if test.agent != nil {
					g.agent, g.agentErr = time.Hour, test.agent
				}
				waiter := g.waiter()
				waiter.Reach = func(context.Context, string) error {
					if time.Since(g.start) < test.listens {
						return errors.New("no route to host")
					}
					return nil
				}
				_, err := waiter.Await(t.Context(), vm)
				failure, _ := errors.AsType[*NotReadyError](err)
				switch {
				case test.failure == "" && err != nil:
					t.Error(err)
				case test.failure != "" && (failure == nil || failure.Probe != test.failure):
					t.Errorf("error %v, want that of probe %s", err, test.failure)
				}
				if pings := g.count("agent"); pings > test.pings {
					t.Errorf("PVE was asked %d times, want at most %d", pings, test.pings)
				}
			})
		})
	}
}
