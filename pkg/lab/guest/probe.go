package guest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/pve"
)

// Limits say how long each probe may take to hold; 0 means the default.
type Limits struct {
	Boot    time.Duration // from the start of the VM until its sshd listens; 5 min
	Agent   time.Duration // until its agent answers; 5 min
	HostKey time.Duration // 2 min
	Address time.Duration // 2 min
	SSH     time.Duration // 2 min
	Prepare time.Duration // cloud-init's rest, packages and the file system; 10 min
}

func (l Limits) withDefaults() Limits {
	set := func(limit *time.Duration, standard time.Duration) {
		if *limit == 0 {
			*limit = standard
		}
	}
	set(&l.Boot, 5*time.Minute)
	set(&l.Agent, 5*time.Minute)
	set(&l.HostKey, 2*time.Minute)
	set(&l.Address, 2*time.Minute)
	set(&l.SSH, 2*time.Minute)
	set(&l.Prepare, 10*time.Minute)
	return l
}

// Event is something that happened to a probe.
type Event struct {
	VM         string
	Probe      string
	Awaited    string // what is waited for, in a sentence: "the guest agent"
	Booting    bool   // the guest has not been heard of since it was started
	Number, Of int    // of the probe, from 1
	Kind       EventKind
	Waited     time.Duration // since the probe began
	Err        error         // with Retried
	Note       string        // with Held: what else there is to say; usually empty
}

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	Began   EventKind = "began"
	Retried EventKind = "retried" // it does not hold yet
	Held    EventKind = "held"
)

// NotReadyError says that a guest cannot be measured.
type NotReadyError struct {
	VM     string
	Probe  string        // the first one that did not hold
	Last   error         // why, the last time
	Hint   string        // what usually causes this and where to look
	Waited time.Duration // for this probe
	// Slow says that the time for the probe ended, and nothing says that more of it would not help.
	Slow bool
}

// Error names the probe, the reason and the hint.
func (e *NotReadyError) Error() string {
	hint := e.Hint
	if e.Slow {
		hint += "; if the guest is only slow, give it more time with guest.patience in the configuration"
	}
	return fmt.Sprintf("%s is not ready: %s: %v (after %v; %s)", e.VM, e.Probe, e.Last, e.Waited.Round(100*time.Millisecond), hint)
}

// Unwrap returns the reason.
func (e *NotReadyError) Unwrap() error { return e.Last }

// probe is a condition that a guest meets sooner or later.
type probe struct {
	name    string
	awaited string                      // what is waited for, in a sentence
	boots   bool                        // until it holds the guest has not been heard of
	limit   time.Duration               // for all tries
	pause   time.Duration               // the longest between two tries
	check   func(context.Context) error // nil when it holds; a final error when it never will
	hint    string
}

// final marks an error as one that waiting does not cure.
func final(err error) error { return backoff.Permanent(err) }

// The longest pauses between two tries of a probe: the network may be asked often, PVE and the guest may not.
const (
	networkPause = time.Second
	otherPause   = 5 * time.Second
)

// pace is how often a probe is tried: quickly at first, for guests that boot in a second.
func (p probe) pace() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(250*time.Millisecond), backoff.WithMaxInterval(p.pause),
		backoff.WithRandomizationFactor(0), backoff.WithMaxElapsedTime(0))
}

// await waits until a probe holds.
func (v *visit) await(ctx context.Context, p probe, number, of int) error {
	begun := time.Now()
	tell := func(kind EventKind, err error) {
		if v.Observe != nil {
			v.Observe(Event{
				VM: v.vm.Name, Probe: p.name, Awaited: p.awaited, Booting: p.boots, Number: number, Of: of, Kind: kind, Waited: time.Since(begun), Err: err, Note: v.note,
			})
		}
	}
	v.note = ""
	tell(Began, nil)
	limited, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	var last error
	err := backoff.RetryNotify(func() error {
		err := p.check(limited)
		if last == nil || limited.Err() == nil { // that the time is up says less than what went wrong before
			last = err
		}
		return err
	}, backoff.WithContext(p.pace(), limited), func(err error, _ time.Duration) { tell(Retried, err) })
	if err == nil {
		tell(Held, nil)
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for %s of %s: %w (so far: %w)", p.name, v.vm.Name, context.Cause(ctx), last)
	}
	failure := &NotReadyError{VM: v.vm.Name, Probe: p.name, Last: reason(last), Hint: p.hint, Waited: time.Since(begun), Slow: limited.Err() != nil}
	if missing, ok := errors.AsType[*pve.PermissionError](err); ok {
		failure.Hint = missing.Remedy()
	}
	return failure
}

// reason is the error without the mark of a final one.
func reason(err error) error {
	if mark, ok := errors.AsType[*backoff.PermanentError](err); ok {
		return mark.Err
	}
	return err
}
