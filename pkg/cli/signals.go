package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// untilSignal returns the context of the invocation. The first signal ends it, in order; a later one ends the process at once,
// with a word on what may be left.
func (a *app) untilSignal() context.Context {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, ends...)
	first := func(signal os.Signal) { stop(&signalError{signal}) }
	go func() { a.leave(awaitSecond(signals, first), ends) }()
	// When the reader of our output goes away, as tee does at Ctrl-C, writing fails and the removal of a lab goes on. SIGPIPE
	// is caught and not ignored, since processes that we start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx
}

// oneWish is how long after the first signal others count as the same wish. timeout(1) signals its child and then its whole
// process group, the child again among it (GNU coreutils, timeout.c, cleanup); a terminal that closes sends SIGHUP after others.
const oneWish = time.Second

// signalError says which signal ended the invocation.
type signalError struct{ signal os.Signal }

// Error names the signal.
func (e *signalError) Error() string { return e.signal.String() + " signal received" }

// Unwrap says that the work was cancelled, and did not run out of time.
func (e *signalError) Unwrap() error { return context.Canceled }

// awaitSecond calls first with the first signal, and returns the one that is a wish of its own.
func awaitSecond(signals <-chan os.Signal, first func(os.Signal)) os.Signal {
	signal := <-signals
	begun := time.Now()
	first(signal)
	for {
		if next := <-signals; time.Since(begun) >= oneWish {
			return next
		}
	}
}

// lastWordTime bounds writing to a terminal that takes nothing any more.
const lastWordTime = 100 * time.Millisecond

// leave dies of the signal, as a process does that handles none.
func (a *app) leave(last os.Signal, ends []os.Signal) {
	signal.Reset(ends...)
	if word := a.left.Load(); word != nil {
		written := make(chan struct{})
		go func() {
			fmt.Fprintln(a.Err, "\n"+*word)
			close(written)
		}()
		select {
		case <-written:
		case <-time.After(lastWordTime):
		}
	}
	if number, ok := last.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), number)
	}
	<-time.After(lastWordTime)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // a shell starts what is in the background with SIGINT ignored
}

// mayLeave notes what a second signal leaves behind: a lab, or the template that is built.
func (a *app) mayLeave(name string) {
	word := a.spellOut(fmt.Sprintf("labctl: left at once: what was made of %s may be still on the server; `labctl down` removes it", name))
	a.left.Store(&word)
}
