package suite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
)

const (
	// cleanUpTime bounds the end of a fio that nobody waits for any more.
	cleanUpTime = 30 * time.Second
	// layoutTime is how long a trial may take beside twice its run time, for laying out files and the final fsync.
	layoutTime = time.Hour
)

// measure runs one fio on its target, detached, so that a lost connection neither ends nor repeats it.
func (r *Runner) measure(ctx context.Context, planned Planned) (remote.DetachedResult, error) {
	target := r.Targets[planned.Target]
	if r.Files == labspec.FilesFresh {
		if err := RemoveFiles(ctx, target, planned.Workload.Job); err != nil {
			return remote.DetachedResult{}, err
		}
	}
	command := remote.Detached{
		ID:   fmt.Sprintf("%s-%03d", r.RunID, planned.Seq),
		Dir:  target.Directory,
		Argv: planned.Workload.Job.Args(),
	}
	if target.Fio != "" {
		command.Argv[0] = target.Fio
	}
	if err := r.Journal.Detach(planned.Target, command.ID); err != nil {
		return remote.DetachedResult{}, err
	}
	limit := 2*planned.Workload.Job.Runtime() + layoutTime
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("fio had not ended after %s", limit))
	defer cancel()
	result, err := target.Machine.RunDetached(limited, command)
	if err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		if stopErr := stop(ctx, target, command.ID); stopErr != nil {
			return result, fmt.Errorf("%w; fio may still run on %s and disturb other trials: %w", err, planned.Target, stopErr)
		}
	}
	return result, errors.Join(err, r.Journal.Attached(command.ID))
}

// stop ends a fio that nobody waits for any more.
func stop(ctx context.Context, target Target, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	return target.Machine.StopDetached(ctx, id)
}

// removeFiles deletes the files named on its input, and nothing else.
const removeFiles = `cd -- "$1" && xargs -0 rm -f --`

// RemoveFiles deletes the files of a job from the target's directory.
func RemoveFiles(ctx context.Context, target Target, job fio.Job) error {
	names, err := job.FileNames()
	if err != nil {
		return fmt.Errorf("removing the files of a job in %s: %w", target.Directory, err)
	}
	_, err = target.Machine.Run(ctx, remote.Command{
		Argv: []string{"sh", "-c", removeFiles, "sh", target.Directory}, Stdin: []byte(strings.Join(names, "\x00")),
	})
	if err != nil {
		return fmt.Errorf("removing %d files of a job (%s) in %s: %w", len(names), strconv.Quote(names[0]), target.Directory, err)
	}
	return nil
}
