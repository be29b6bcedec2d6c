package guest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/remote"
)

// askAfter is how long the network alone is asked: then PVE is, in case the VM died.
const askAfter = 30 * time.Second

// reach waits for sshd without logging in.
func (v *visit) reach(ctx context.Context) error {
	return v.unlessDead(ctx, v.Reach(ctx, v.vm.Address.String()))
}

// unlessDead asks PVE every now and then whether a guest that the network did not reach lives at all.
func (v *visit) unlessDead(ctx context.Context, err error) error {
	if err == nil || time.Since(v.asked) < askAfter {
		return err
	}
	v.asked = time.Now()
	if hopeless := (*backoff.PermanentError)(nil); errors.As(v.agentAnswers(ctx), &hopeless) {
		return hopeless
	}
	return err
}

// logIn connects, and runs a command: sshd may let us in before PAM does.
func (v *visit) logIn(ctx context.Context) error {
	host, err := v.Connect(ctx, v.vm, v.ready.Address, v.ready.HostKey)
	if _, wrong := errors.AsType[*remote.HostKeyError](err); wrong {
		// cloud-init makes new host keys at the first boot; the agent may have read the template's just before.
		return errors.Join(err, v.pinHostKey(ctx))
	}
	if err != nil {
		return v.unlessDead(ctx, err)
	}
	output, err := host.Run(ctx, remote.Command{Argv: []string{"cat", "/proc/sys/kernel/random/boot_id"}})
	if err != nil {
		return errors.Join(err, host.Close())
	}
	v.ready.Host, v.ready.BootID = host, strings.TrimSpace(string(output.Stdout))
	return nil
}

// prepare runs the preparation, until one run begins and ends in the boot that we know.
func (v *visit) prepare(ctx context.Context) error {
	output, err := v.ready.Host.Run(ctx, v.vm.Prepare)
	if exit, ok := errors.AsType[*remote.ExitError](err); ok {
		return final(&scriptError{exit})
	}
	if err != nil {
		return v.unlessDead(ctx, err)
	}
	facts, err := v.ParseFacts(output.Stdout)
	if err != nil {
		return final(err)
	}
	if before, now := v.ready.BootID, facts[factBootID]; now != "" && now != before {
		v.ready.BootID = now
		return fmt.Errorf("the guest rebooted meanwhile (boot %s, before %s)", now, before)
	}
	v.ready.Facts = facts
	return nil
}

// scriptError is a preparation that gave up; its own words are the message.
type scriptError struct{ exit *remote.ExitError }

// Error is what the script said, or how it ended.
func (e *scriptError) Error() string {
	said := strings.TrimSpace(strings.ReplaceAll("\n"+string(e.exit.Stderr), "\nlabctl: ", "\n"))
	if said == "" {
		return e.exit.Error()
	}
	return said
}

// Unwrap returns the exit.
func (e *scriptError) Unwrap() error { return e.exit }
