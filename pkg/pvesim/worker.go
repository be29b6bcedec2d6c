package pvesim

import (
	"errors"
	"fmt"
	"time"
)

// step is one action of a worker. It takes no time; a step that must wait says so by pause or acquire, which take
// effect when it returns. Further steps that it asks for (do, try, locked) run before those that follow it.
type step func(w *worker) error

// frame is a block of steps with what has to happen when it ends: release always, rescue when a step failed.
type frame struct {
	steps   []step
	rescue  func(w *worker, err error) error
	release func()
	signal  string // what a signal dies with inside, when the block has a handler of its own
}

// worker is one simulated process of pvedaemon: that of a task, or of a synchronous call (then task is nil).
type worker struct {
	c        *Cluster
	task     *task
	frames   []*frame
	turn     int // counts the times it went on: makes stale events harmless
	waits    bool
	lockWait *lockWait
	ended    bool
	err      error
}

// signalled is the error that a handler of SIGTERM dies with.
type signalled string

// Error is the handler's text.
func (s signalled) Error() string { return string(s) }

// workerSignal is the handler that every worker has from the start (pve-common 9.2.1, RESTEnvironment.pm:566, fork_worker).
const workerSignal signalled = "received interrupt"

// interrupted reports whether an error came from a signal.
func interrupted(err error) bool {
	var s signalled
	return errors.As(err, &s)
}

// begin starts a worker and runs it as far as it gets without waiting.
func (c *Cluster) begin(t *task, steps ...step) *worker {
	w := &worker{c: c, task: t, frames: []*frame{{steps: steps}}}
	if t != nil {
		t.worker = w
	}
	w.proceed()
	return w
}

// do runs steps before those that follow the current one.
func (w *worker) do(steps ...step) { w.frames = append(w.frames, &frame{steps: steps}) }

// try runs steps; when one fails, rescue decides what the failure becomes. It may ask for clean-up steps by do.
func (w *worker) try(rescue func(w *worker, err error) error, steps ...step) {
	w.frames = append(w.frames, &frame{steps: steps, rescue: rescue})
}

// trySignalled is try for a block that has a signal handler of its own, which dies with the text.
func (w *worker) trySignalled(text string, rescue func(w *worker, err error) error, steps ...step) {
	w.frames = append(w.frames, &frame{steps: steps, rescue: rescue, signal: text})
}

// pause makes the worker wait before its next step.
func (w *worker) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	w.waits = true
	w.c.schedule(w, w.c.clock.Add(d))
}

// sleepFor is a step that only takes time.
func sleepFor(d time.Duration) step {
	return func(w *worker) error {
		w.pause(d)
		return nil
	}
}

// timeUp is called when the worker's event came: its pause is over, or it waited too long for a lock.
func (w *worker) timeUp() {
	w.waits = false
	w.turn++
	if wait := w.lockWait; wait != nil {
		w.lockWait = nil
		wait.lock.forget(w)
		w.fail(lockTimeout(wait.lock.path))
	}
}

// granted is called when the lock it waited for became its own.
func (w *worker) granted() {
	w.waits, w.lockWait = false, nil
	w.turn++
	w.logf(" OK")
	w.proceed()
}

// proceed runs steps until the worker has to wait or is done.
func (w *worker) proceed() {
	for !w.waits && !w.ended {
		top := w.frames[len(w.frames)-1]
		if len(top.steps) == 0 {
			w.leave(top)
			continue
		}
		next := top.steps[0]
		top.steps = top.steps[1:]
		if err := next(w); err != nil {
			w.fail(err)
		}
	}
}

func (w *worker) leave(top *frame) {
	w.frames = w.frames[:len(w.frames)-1]
	if top.release != nil {
		top.release()
	}
	if len(w.frames) == 0 {
		w.finish(nil)
	}
}

// fail unwinds to the innermost block that can handle the error.
func (w *worker) fail(err error) {
	for len(w.frames) > 0 {
		top := w.frames[len(w.frames)-1]
		w.frames = w.frames[:len(w.frames)-1]
		if top.release != nil {
			top.release()
		}
		if top.rescue == nil {
			continue
		}
		w.do() // clean-up steps that rescue asks for get a frame below them even if this was the outermost block
		if err = top.rescue(w, err); err == nil {
			return
		}
	}
	w.finish(err)
}

// interrupt is SIGTERM: the handler of the innermost block that has one dies where the worker stands.
func (w *worker) interrupt() {
	var err error = workerSignal
	for _, f := range w.frames {
		if f.signal != "" {
			err = signalled(f.signal)
		}
	}
	if wait := w.lockWait; wait != nil {
		err = fmt.Errorf("can't lock file '%s' - %w", wait.lock.path, err) // pve-common 9.2.1, Tools.pm:264, lock_file_full
	}
	w.stopWaiting()
	w.fail(err)
	w.proceed()
}

// kill ends the worker without any clean-up, as SIGKILL does: its locks are gone, everything else stays.
func (w *worker) kill() {
	w.stopWaiting()
	for i := len(w.frames) - 1; i >= 0; i-- {
		if w.frames[i].release != nil {
			w.frames[i].release()
		}
	}
	w.frames = nil
	w.finish(errKilled)
}

// errKilled is the end of a task whose log lacks the last line.
var errKilled = errors.New("unexpected status")

func (w *worker) stopWaiting() {
	w.waits = false
	w.turn++
	if w.lockWait != nil {
		w.lockWait.lock.forget(w)
		w.lockWait = nil
	}
}

func (w *worker) finish(err error) {
	w.ended, w.err = true, err
	if w.task != nil {
		w.task.end(w.c, err)
	}
	w.c.wake()
}

// logf adds a line to the task's log; a synchronous call has none.
func (w *worker) logf(format string, args ...any) {
	if w.task != nil {
		w.task.log = append(w.task.log, fmt.Sprintf(format, args...))
	}
}

// warnf is log_warn: from 9 on a task with warnings ends as such, on 8 the callers that matter only printed.
func (w *worker) warnf(format string, args ...any) {
	if w.c.major < 9 {
		w.logf(format, args...)
		return
	}
	if w.task != nil {
		w.task.warnings++
	}
	w.logf("WARN: "+format, args...)
}
