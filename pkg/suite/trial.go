package suite

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"labctl/pkg/fio"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
)

// cleanUpTime bounds the end of a fio that nobody waits for any more.
const cleanUpTime = 30 * time.Second

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
	result, err := target.Machine.RunDetached(ctx, command)
	if ctx.Err() != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
		defer cancel()
		if stopErr := target.Machine.StopDetached(stop, command.ID); stopErr != nil {
			return result, fmt.Errorf("%w; fio may still run on %s: %w", context.Cause(ctx), planned.Target, stopErr)
		}
		return result, context.Cause(ctx)
	}
	return result, err
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
