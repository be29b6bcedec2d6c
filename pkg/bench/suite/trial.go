package suite

import (
	"context"
	"errors"
	"fmt"
	"strconv"
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

// removeFiles deletes what fio's own naming scheme, jobname.jobnumber.filenumber, left in the directory (fio HOWTO,
// filename_format), and nothing else.
const removeFiles = `cd -- "$1" || exit
rm -f -- "$2".[0-9].[0-9] "$2".[0-9][0-9].[0-9] "$2".[0-9][0-9][0-9].[0-9]`

// RemoveFiles deletes the files of a job from the target's directory.
func RemoveFiles(ctx context.Context, target Target, job fio.Job) error {
	name, ok := job.Get("name")
	if !ok {
		return nil
	}
	_, err := target.Machine.Run(ctx, remote.Command{Argv: []string{"sh", "-c", removeFiles, "sh", target.Directory, name}})
	if err != nil {
		return fmt.Errorf("removing the files of job %s in %s: %w", strconv.Quote(name), target.Directory, err)
	}
	return nil
}
