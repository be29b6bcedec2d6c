package change

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// upload puts the VM's cloud-init image on a storage.
func (e *Executor) upload(ctx context.Context, vm *VM, step plan.Upload) error {
	image, err := e.SeedImage(vm.Index)
	if err != nil {
		return fmt.Errorf("making the cloud-init image of VM %s: %w", vm.Spec.Name, err)
	}
	sum := sha256.Sum256(image)
	at := pve.VMRef{Node: vm.Ref.Node}
	return e.do(ctx, change{
		op: journal.OpUpload, vm: vm.Spec.Name, ref: at, volume: step.VolumeID(), detail: step.Detail(),
		send: tasked(func(ctx context.Context) (pve.UPID, error) {
			return e.API.Upload(ctx, at.Node, step.Storage, pve.File{
				Name: step.FileName, Content: "iso", SizeBytes: int64(len(image)), Body: bytes.NewReader(image), SHA256: hex.EncodeToString(sum[:]),
			})
		}),
		happened: func(ctx context.Context) (bool, error) { return e.isStored(ctx, at.Node, step.VolumeID()) },
		tasks:    pve.TaskFilter{Type: "imgcopy"},
	})
}

// isStored says whether a storage has the volume.
func (e *Executor) isStored(ctx context.Context, node, volumeID string) (bool, error) {
	storage, _, _ := strings.Cut(volumeID, ":")
	volumes, err := e.API.Volumes(ctx, node, storage, 0)
	if err != nil {
		return false, fmt.Errorf("looking for %s: %w", volumeID, err)
	}
	return slices.ContainsFunc(volumes, func(v pve.Volume) bool { return v.ID == volumeID }), nil
}

// free removes an upload and looks whether it is gone: the task ends well also for a file that it could not find.
func (e *Executor) free(ctx context.Context, name, node string, step plan.Free) error {
	at := pve.VMRef{Node: node}
	left := &LeftoverError{VM: name, Ref: at, Volumes: []pve.Volume{{ID: step.Volume}}}
	stored, err := e.isStored(ctx, node, step.Volume)
	if err == nil && !stored {
		return e.noteFreed(name, node, step.Volume)
	}
	if err == nil {
		err = e.do(ctx, change{
			op: journal.OpFree, vm: name, ref: at, volume: step.Volume,
			send: tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.DeleteVolume(ctx, node, step.Volume) }),
			happened: func(ctx context.Context) (bool, error) {
				stored, err := e.isStored(ctx, node, step.Volume)
				return err == nil && !stored, err
			},
			tasks: pve.TaskFilter{Type: "imgdel"},
		})
	}
	if err == nil {
		stored, err = e.isStored(ctx, node, step.Volume)
	}
	if err == nil && !stored {
		return nil
	}
	left.Err = err
	return left
}

// noteFreed records that an upload which may have been made is not there.
func (e *Executor) noteFreed(name, node, volumeID string) error {
	intent, err := e.Journal.Intend(journal.Intent{Op: journal.OpFree, VM: name, Node: node, Volume: volumeID})
	return errors.Join(err, e.Journal.Finished(intent, journal.ResultDone, nil))
}
