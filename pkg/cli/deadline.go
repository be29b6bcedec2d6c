package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"labctl/pkg/labspec"
)

// errDeadline is the cause of a context that --deadline ended.
var errDeadline = errors.New("the time given by --deadline is over")

// The teardown takes about this long on an ordinary server with one destroy after the other: each holds the storage's lock
// for seconds (pve-api lab-findings §31).
const (
	teardownBase  = 20 * time.Second
	teardownPerVM = 15 * time.Second
)

// leaveTime returns a context for the work of a command that removes again what it made. It ends so early before
// --deadline that the removal has time, but not before two thirds of the deadline are over.
func (a *app) leaveTime(ctx context.Context, lab *labspec.Lab) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	reserve := min(teardownBase+time.Duration(len(lab.VMs))*teardownPerVM, a.flags.deadline/3)
	cause := fmt.Errorf("%w but for %s, which are left for the removal", errDeadline, reserve.Round(time.Second))
	return context.WithDeadlineCause(ctx, deadline.Add(-reserve), cause)
}
