package killtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"labctl/pkg/pvesim"
)

// at makes the process call something when it sends its n-th change, and returns the process.
func (h *home) at(t *testing.T, n int, call func(*process), args ...string) *process {
	t.Helper()
	var p *process
	known := make(chan struct{})
	trap := &trap{moment: passing, n: n, call: func() { <-known; call(p) }}
	p = h.world.gate.set(trap, func() *process { return h.start(t, args...) })
	close(known)
	return p
}

// TestInterruptedUp interrupts up at several moments: it begins nothing new, removes what it made and says so.
func TestInterruptedUp(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, n := range []int{1, 4, 10, 12} { // clones, configurations, starts, and the wait for guests
			t.Run(fmt.Sprintf("%v/change %d", signal, n), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, sharedHost(9))
				was := w.belongings(t)
				h := w.newHome(t, "home", killLab)
				var then time.Time
				up := h.at(t, n, func(p *process) { then = time.Now(); p.signal(t, signal) }, "up")
				if code := up.wait(t); code != 130 {
					t.Errorf("exit code %d, want 130", code)
				}
				text := up.text()
				if !strings.Contains(text, "interrupted: removing what `up` made") || !strings.Contains(text, "labctl: interrupted") {
					t.Errorf("it does not say that it was interrupted:\n%s", text)
				}
				if late := w.begun(then.Add(time.Second)); len(late) > 0 {
					t.Errorf("begun after the interrupt: %v\n%s", late, text)
				}
				if left := w.changes(t, was); left != "" {
					t.Errorf("not as before:\n%s\n%s", left, text)
				}
				h.must(t, 0, []string{"status"}, "lab kill is down")
				h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
			})
		}
	}
}

// begun lists the changes by which a lab comes up that were sent after a moment.
func (w *world) begun(after time.Time) (late []string) {
	for _, request := range w.cluster.Requests() {
		comesUp := slices.ContainsFunc([]string{"/clone", "/config", "/resize", "/status/start"}, func(end string) bool {
			return strings.HasSuffix(request.Path, end)
		})
		if request.Method != http.MethodGet && comesUp && request.Time.After(after) {
			late = append(late, request.Method+" "+request.Path)
		}
	}
	return late
}

// TestInterruptedTwice interrupts up, and its removal too: it leaves at once, and the next down removes everything.
func TestInterruptedTwice(t *testing.T) {
	for _, n := range []int{2, 11} {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			up := h.at(t, n, func(p *process) { p.signal(t, syscall.SIGINT) }, "up")
			await(t, "the removal", func() bool { return w.requested(http.MethodDelete) })
			then := time.Now()
			up.signal(t, syscall.SIGINT)
			up.wait(t)
			if took := time.Since(then); took > time.Second {
				t.Errorf("it left %v after the second interrupt", took)
			}
			if status, ok := up.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT {
				t.Errorf("it ended with %v, want to be ended by the signal", up.cmd.ProcessState)
			}
			h.must(t, 0, []string{"status"}, "`labctl down "+h.lab+"` removes what there is")
			h.must(t, 0, []string{"down"}, "no volume of theirs is left")
			if left := w.changes(t, was); left != "" {
				t.Errorf("not as before:\n%s", left)
			}
		})
	}
}

// requested says whether a request with this method came in.
func (w *world) requested(method string) bool {
	return slices.ContainsFunc(w.cluster.Requests(), func(r pvesim.Request) bool { return r.Method == method })
}

// TestInterruptedDown interrupts down: it says what is left, and the next down removes it.
func TestInterruptedDown(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(8))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			h.must(t, 0, []string{"up"})
			down := h.at(t, 4, func(p *process) { p.signal(t, signal) }, "down") // three stops, then the first destroy
			if code := down.wait(t); code != 5 {
				t.Errorf("exit code %d, want 5: VMs are left", code)
			}
			if text := down.text(); !strings.Contains(text, "run `labctl down "+h.lab+"` again, or as root on pve:") {
				t.Errorf("it does not say what to do:\n%s", text)
			}
			h.must(t, 0, []string{"down"}, "no volume of theirs is left")
			if left := w.changes(t, was); left != "" {
				t.Errorf("not as before:\n%s", left)
			}
		})
	}
}

// TestDeadline gives up waiting for guests that never answer in time to remove them by the deadline.
func TestDeadline(t *testing.T) {
	const deadline, late = 30 * time.Second, 5 * time.Second
	for _, command := range []string{"up", "run"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9), pvesim.WithGuests(pvesim.NoGuests{AgentAfter: 24 * time.Hour}))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			up := h.start(t, command, "--deadline", deadline.String())
			if code := up.wait(t); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			if text := up.text(); !strings.Contains(text, "--deadline") {
				t.Errorf("it does not say why it gave up:\n%s", text)
			}
			if up.took > deadline+late {
				t.Errorf("it took %v, and the deadline was %v:\n%s", up.took, deadline, up.text())
			}
			if left := w.changes(t, was); left != "" {
				t.Errorf("not as before:\n%s\n%s", left, up.text())
			}
			h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
		})
	}
}
