package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// untilSignal returns the context of the invocation. The first signal ends it, in order; a second one ends the process at
// once, with a word on what may be left.
func (a *app) untilSignal() context.Context {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, func() {
		second := make(chan os.Signal, 1)
		signal.Notify(second, ends...)
		stop()
		a.leave(<-second, ends)
	})
	// When the reader of our output goes away, as tee does at Ctrl-C, writing fails and the removal of a lab goes on. SIGPIPE
	// is caught and not ignored, since processes that we start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return ctx
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
