package cli

import (
	"context"
	"fmt"

	"github.com/cenkalti/backoff/v4"

	"labctl/pkg/lab/guest"
	"labctl/pkg/pve"
)

// agent asks guest agents through the server. No patience helps when the sandbox has ended: QEMU accepts connections for
// its guest whether or not that has booted, so that it is the agent that is mostly waited for.
func (s *server) agent() guest.Agent {
	if s.sandbox == nil {
		return s.client
	}
	return &sandboxAgent{s}
}

// sandboxAgent asks the agents of a sandbox's guests while there is a sandbox.
type sandboxAgent struct{ server *server }

// AgentInterfaces implements guest.Agent.
func (a *sandboxAgent) AgentInterfaces(ctx context.Context, vm pve.VMRef) ([]pve.Interface, error) {
	interfaces, err := a.server.client.AgentInterfaces(ctx, vm)
	return interfaces, a.server.final(err)
}

// AgentReadFile implements guest.Agent.
func (a *sandboxAgent) AgentReadFile(ctx context.Context, vm pve.VMRef, path string) ([]byte, error) {
	content, err := a.server.client.AgentReadFile(ctx, vm, path)
	return content, a.server.final(err)
}

// final marks an error as one that waiting does not cure when the sandbox has ended.
func (s *server) final(err error) error {
	if err == nil || s.sandbox == nil || !s.sandbox.HasEnded() {
		return err
	}
	return backoff.Permanent(fmt.Errorf("the sandbox (process %d) has ended, and its guests with it: %w", s.sandbox.PID, err))
}
