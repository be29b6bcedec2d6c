package pve_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"labctl/pkg/pve"
)

// abort: a clone that is aborted while it copies a disk cleans up after itself. One that is aborted before may not.
func (s *subject) abort(ctx context.Context) {
	vm := pve.VMRef{Node: s.node, ID: s.first + 1}
	request := s.request(vm)
	request.Full = true
	upid, err := s.client.Clone(ctx, request)
	s.must(err)
	s.awaitCopy(ctx, upid)
	s.must(s.client.AbortTask(ctx, upid))
	_, err = s.client.Wait(ctx, upid, nil)
	var failed *pve.TaskError
	if !errors.As(err, &failed) || len(failed.Log) == 0 {
		s.Errorf("aborted clone: %v", err)
	}
	taken, err := s.client.VMIDTaken(ctx, vm.ID)
	s.must(err)
	if taken {
		s.Error("the aborted clone's VMID is taken")
	}
}

// awaitCopy waits until a clone says that it copies a disk.
func (s *subject) awaitCopy(ctx context.Context, upid pve.UPID) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		log, err := s.client.TaskLog(ctx, upid, 1)
		s.must(err)
		if len(log) > 0 && strings.HasPrefix(log[0], "transferred ") {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			s.must(ctx.Err())
		}
	}
}
