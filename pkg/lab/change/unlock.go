package change

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/lab/journal"
	"labctl/pkg/pve"
)

// lockPatience is how long a lock in a VM's configuration is waited for, such as that of a nightly backup. The lock of a
// clone or a creation is not: its task was waited for before, and one that was killed leaves the lock for ever.
const lockPatience = 2 * time.Minute

// unlocked reads the VM's configuration, and waits until nobody else works on the VM. After the patience it returns what
// it read last: PVE then says which lock there is.
func (e *Executor) unlocked(ctx context.Context, name string, ref pve.VMRef) (pve.VMConfig, error) {
	policy := backoff.NewConstantBackOff(5 * time.Second)
	until := time.Now().Add(lockPatience)
	var config pve.VMConfig
	err := backoff.Retry(func() error {
		var err error
		if config, err = e.API.VMConfig(ctx, ref); err != nil {
			return backoff.Permanent(err)
		}
		switch lock := config.Lock(); {
		case lock == "", lock == "clone", lock == "create", time.Now().After(until):
			return nil
		default:
			return fmt.Errorf("VM %s (%d) is locked (%s)", name, ref.ID, lock)
		}
	}, backoff.WithContext(policy, ctx))
	return config, err
}

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
