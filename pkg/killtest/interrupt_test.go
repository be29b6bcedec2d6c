package killtest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
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

// interrupt is a signal at a moment.
type interrupt struct {
	signal syscall.Signal
	change int
}

// String names the case.
func (i interrupt) String() string { return fmt.Sprintf("%v at change %d", i.signal, i.change) }

// TestInterruptedUp interrupts up at several moments: it begins nothing new, removes what it made and says so.
func TestInterruptedUp(t *testing.T) {
	t.Parallel()
	for _, test := range some([]interrupt{
		{syscall.SIGINT, 1}, {syscall.SIGTERM, 1}, // clones
		{syscall.SIGINT, 4}, {syscall.SIGTERM, 4}, // configurations
		{syscall.SIGINT, 10}, {syscall.SIGTERM, 10}, // starts
		{syscall.SIGHUP, 4},                         // the terminal went away
		{syscall.SIGINT, 12}, {syscall.SIGTERM, 12}, // guests are waited for
	}) {
		t.Run(test.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			var then time.Time
			up := h.at(t, test.change, func(p *process) { then = time.Now(); p.signal(t, test.signal) }, "up")
			up.want(t, 130, "interrupted: removing what `up` made", "labctl: interrupted")
			if late := w.begun(then.Add(time.Second)); len(late) > 0 {
				t.Errorf("begun after the interrupt: %v\n%s", late, up.text())
			}
			w.wantAsBefore(t, was, up)
			h.must(t, 0, []string{"status"}, "lab kill is down")
			h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
		})
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
	t.Parallel()
	for _, n := range some([]int{2, 11}) {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			up := h.at(t, n, func(p *process) { p.signal(t, syscall.SIGINT) }, "up")
			await(t, "the removal", func() bool { return w.requested(http.MethodDelete) })
			<-time.After(time.Second) // signals within a second are one wish
			then := time.Now()
			up.signal(t, syscall.SIGINT)
			up.wait(t)
			if took := time.Since(then); took > time.Second {
				t.Errorf("it left %v after the second interrupt", took)
			}
			if status, ok := up.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGINT {
				t.Errorf("it ended with %v, want to be ended by the signal", up.cmd.ProcessState)
			}
			h.must(t, 0, []string{"status"}, "`labctl --state-dir "+h.state+" down "+h.lab+"` removes what there is")
			h.must(t, 0, []string{"down"}, "no volume of theirs is left")
			w.wantAsBefore(t, was, nil)
		})
	}
}

// requested says whether a request with this method came in.
func (w *world) requested(method string) bool {
	return slices.ContainsFunc(w.cluster.Requests(), func(r pvesim.Request) bool { return r.Method == method })
}

// TestInterruptedDown interrupts down: it says what is left, and the next down removes it.
func TestInterruptedDown(t *testing.T) {
	t.Parallel()
	for _, signal := range some([]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}) {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(8))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			h.must(t, 0, []string{"up"})
			down := h.at(t, 4, func(p *process) { p.signal(t, signal) }, "down") // three stops, then the first destroy
			down.want(t, 5, "run `labctl --state-dir "+h.state+" down "+h.lab+"` again, or as root on pve:", "signal received")
			h.must(t, 0, []string{"down"}, "no volume of theirs is left")
			w.wantAsBefore(t, was, nil)
		})
	}
}

// TestInterruptedResume interrupts an up that goes on where a killed one stopped: what was there before is left, and it
// says so.
func TestInterruptedResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, sharedHost(9))
	was := w.belongings(t)
	h := w.halfway(t)
	up := h.at(t, 1, func(p *process) { p.signal(t, syscall.SIGINT) }, "up")
	up.want(t, 130, "`labctl --state-dir "+h.state+" down "+h.lab+"`")
	h.must(t, 0, []string{"down"}, "3 VMs removed")
	w.wantAsBefore(t, was, nil)
}

// TestReaderGone ends the reader of what up prints, as Ctrl-C does with `labctl up 2>&1 | tee log`: that must not end the
// removal.
func TestReaderGone(t *testing.T) {
	t.Parallel()
	for _, test := range some([]interrupt{{syscall.SIGINT, 4}, {syscall.SIGTERM, 10}, {syscall.SIGHUP, 10}, {0, 4}}) {
		t.Run(test.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			h.pipe = writer
			up := h.at(t, test.change, func(p *process) {
				if err := errors.Join(writer.Close(), reader.Close()); err != nil {
					t.Error(err)
				}
				if test.signal != 0 {
					p.signal(t, test.signal)
				}
			}, "up")
			h.pipe = nil
			if test.signal == 0 {
				up.want(t, 0)
				h.must(t, 0, []string{"status"}, "lab kill is up")
				h.must(t, 0, []string{"down"}, "3 VMs removed")
			} else {
				up.want(t, 130)
			}
			w.wantAsBefore(t, was, up)
		})
	}
}

// benchLab is killLab with a trial that does not end by itself.
func benchLab() string {
	return strings.Replace(killLab, "fio: {rw: randwrite, size: 1m}", "fio: {ioengine: psync, rw: randwrite, bs: 4k, size: 64k, runtime: 600, time_based: }", 1)
}

// TestRunEndsEarly ends run in the middle of a trial, and wants its teardown.
func TestRunEndsEarly(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("fio"); err != nil {
		t.Skip("fio is not installed")
	}
	for _, test := range some([]struct {
		signal   syscall.Signal // or none
		deadline time.Duration
		code     int
		words    string
	}{
		{syscall.SIGTERM, time.Hour, 130, "interrupted"},
		{syscall.SIGINT, time.Hour, 130, "interrupted"},
		{0, 60 * time.Second, 1, "--deadline"},
	}) {
		t.Run(fmt.Sprintf("%v %v", test.signal, test.deadline), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9))
			was := w.belongings(t)
			h := w.newHome(t, "home", benchLab())
			run := h.start(t, "run", "--deadline", test.deadline.String())
			await(t, "fio", func() bool { return w.isMeasured(t) })
			if test.signal != 0 {
				run.signal(t, test.signal)
			}
			run.want(t, test.code, test.words, "lab kill is down: 3 VMs removed")
			if run.took > test.deadline+lateness {
				t.Errorf("it took %v, and the deadline was %v:\n%s", run.took, test.deadline, run.text())
			}
			w.wantAsBefore(t, was, run)
		})
	}
}

// lateness is how much later than its deadline a labctl may end.
const lateness = 10 * time.Second

// TestDeadline gives up waiting for guests that never answer, in time to remove them by the deadline.
func TestDeadline(t *testing.T) {
	t.Parallel()
	if !*everything {
		t.Skip("takes as long as the deadline: run it with -kill")
	}
	const deadline = 60 * time.Second
	for _, command := range []string{"up", "run"} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedHost(9), pvesim.WithGuests(pvesim.NoGuests{AgentAfter: 24 * time.Hour}))
			was := w.belongings(t)
			h := w.newHome(t, "home", killLab)
			up := h.start(t, command, "--deadline", deadline.String())
			up.want(t, 1, "--deadline")
			if up.took > deadline+lateness {
				t.Errorf("it took %v, and the deadline was %v:\n%s", up.took, deadline, up.text())
			}
			w.wantAsBefore(t, was, up)
			h.must(t, 0, []string{"down"}, "lab kill is not up: nothing to remove")
		})
	}
}
