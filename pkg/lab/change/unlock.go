package change

import (
	"context"
	"errors"
	"time"

	"labctl/pkg/internal/pause"
	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// lockPatience is how long a lock in a VM's configuration is waited for, such as that of a nightly backup. The lock of a
// clone or a creation is not: its task was waited for before, and one that was killed leaves the lock for ever.
const lockPatience = 2 * time.Minute

// unlocked reads the VM's configuration, and waits until nobody else works on the VM. After the patience it returns what
// it read last: PVE then says which lock there is.
func (e *Executor) unlocked(ctx context.Context, name string, ref pve.VMRef) (pve.VMConfig, error) {
	until := time.Now().Add(lockPatience)
	for wait := lockLook; ; wait = min(2*wait, 4*lockLook) {
		config, err := e.API.VMConfig(ctx, ref)
		if err != nil {
			return config, err
		}
		lock := config.Lock()
		if lock == "" || lock == "clone" || lock == "create" || !time.Now().Before(until) {
			return config, nil
		}
		if wait == lockLook {
			e.Observer.Line("VM %s (%d) is locked (%s): waiting up to %s until that is over", name, ref.ID, lock, lockPatience)
		}
		if err := pause.For(ctx, min(wait, time.Until(until))); err != nil {
			return config, err
		}
	}
}

// lockLook is when a lock is looked at again for the first time.
const lockLook = 5 * time.Second

// unprotect takes away the protection that keeps a VM from being destroyed.
func (e *Executor) unprotect(ctx context.Context, name string, ref pve.VMRef) error {
	off := pve.ConfigChange{Set: []pve.Param{{Key: "protection", Value: "0"}}, BackgroundDelay: configPatience}
	return e.do(ctx, change{
		op: journal.OpConfigure, vm: name, ref: ref, detail: "protection=0",
		send: func(ctx context.Context) (pve.UPID, bool, error) { return e.API.SetVMConfig(ctx, ref, off) },
		happened: func(ctx context.Context) (bool, error) {
			config, err := e.API.VMConfig(ctx, ref)
			if errors.Is(err, pve.ErrNotFound) {
				return false, nil
			}
			return err == nil && !config.Protection(), err
		},
		tasks: pve.TaskFilter{VMID: ref.ID},
	})
}
