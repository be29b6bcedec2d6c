package change

import (
	"context"
	"errors"
	"fmt"
	"io"

	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/pve"
)

// ImageFile opens the local disk image that is uploaded, and says how many bytes it has. It may be asked again.
type ImageFile func() (file io.ReadCloser, sizeBytes int64, err error)

// Build carries out a plan of plan.BuildTemplate. What a failure leaves behind is removed by Down, as after a failed Up.
// The image file is needed only when the plan uploads one.
func (e *Executor) Build(ctx context.Context, todo plan.Sequence, image ImageFile) error {
	ref := refOf(todo)
	for _, step := range todo.Steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := e.step(todo.VM, step, func() error { return e.buildStep(ctx, ref, step, image) }); err != nil {
			return err
		}
	}
	return nil
}

func (e *Executor) buildStep(ctx context.Context, ref pve.VMRef, step plan.Step, image ImageFile) error {
	switch step := step.(type) {
	case plan.Image:
		return e.do(ctx, e.imageChange(ref.Node, step, image))
	case plan.Create:
		return e.allocating(ctx, ref.Node, func() error { return e.do(ctx, e.createChange(ref, step)) })
	case plan.Free:
		return e.free(ctx, plan.TemplateVM, ref.Node, step)
	case plan.Convert:
		return e.do(ctx, e.convertChange(ref))
	case plan.Finish:
		return e.do(ctx, e.finishChange(ref, step))
	default:
		return fmt.Errorf("step %s does not belong into the building of a template", step.Name())
	}
}

// imageChange puts the image on its storage. PVE keeps nothing of a download that was ended, or whose checksum is wrong.
func (e *Executor) imageChange(node string, step plan.Image, image ImageFile) change {
	put := change{
		op: journal.OpDownload, vm: plan.TemplateVM, ref: pve.VMRef{Node: node}, volume: step.VolumeID(), detail: step.Detail(),
		happened: func(ctx context.Context) (bool, error) { return e.isStored(ctx, node, step.VolumeID()) },
		tasks:    pve.TaskFilter{Type: "download"},
		abort:    abortAnytime,
	}
	put.send = tasked(func(ctx context.Context) (pve.UPID, error) {
		return e.API.Download(ctx, node, step.Storage, pve.Download{URL: step.URL, Name: step.FileName, Content: "import", SHA256: step.SHA256})
	})
	if step.URL == "" {
		put.op, put.tasks = journal.OpUpload, pve.TaskFilter{Type: "imgcopy"}
		put.abort = abortNever // a copy on the server that is soon done; ended between two steps it leaves its source in /var/tmp (API2/Storage/Status.pm)
		put.send = tasked(func(ctx context.Context) (pve.UPID, error) { return e.sendImage(ctx, node, step, image) })
	}
	return put
}

func (e *Executor) sendImage(ctx context.Context, node string, step plan.Image, image ImageFile) (pve.UPID, error) {
	file, size, err := image()
	if err != nil {
		return pve.UPID{}, err
	}
	task, err := e.API.Upload(ctx, node, step.Storage, pve.File{Name: step.FileName, Content: "import", SizeBytes: size, Body: file, SHA256: step.SHA256})
	return task, errors.Join(err, file.Close())
}

// createChange makes the VM with our mark in it from the first moment. PVE claims the VMID before it answers, and removes
// everything when a disk cannot be made.
func (e *Executor) createChange(ref pve.VMRef, step plan.Create) change {
	vm := pve.NewVM{EmptyVM: pve.EmptyVM{VMRef: ref, Pool: step.Pool, Name: step.VMName, Description: e.mark(plan.TemplateVM, ref.ID)}}
	for _, setting := range step.Settings {
		vm.Set = append(vm.Set, pve.Param{Key: setting.Key, Value: setting.Value})
	}
	return change{
		op: journal.OpCreate, vm: plan.TemplateVM, ref: ref, detail: step.Detail(),
		send:     tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.CreateVM(ctx, vm) }),
		happened: func(ctx context.Context) (bool, error) { return e.isOurs(ctx, ref) },
		tasks:    pve.TaskFilter{VMID: ref.ID},
		claims:   true, again: true,
	}
}

func (e *Executor) convertChange(ref pve.VMRef) change {
	return change{
		op: journal.OpConvert, vm: plan.TemplateVM, ref: ref,
		send: tasked(func(ctx context.Context) (pve.UPID, error) { return e.API.MakeTemplate(ctx, ref) }),
		happened: func(ctx context.Context) (bool, error) {
			config, err := e.API.VMConfig(ctx, ref)
			return err == nil && config.Template() && config.Lock() == "", err
		},
		tasks: pve.TaskFilter{VMID: ref.ID},
		again: true,
	}
}

func (e *Executor) finishChange(ref pve.VMRef, step plan.Finish) change {
	update := pve.ConfigChange{Set: []pve.Param{{Key: "description", Value: step.Note}}, BackgroundDelay: configPatience}
	return change{
		op: journal.OpConfigure, vm: plan.TemplateVM, ref: ref, detail: step.Detail(),
		send: func(ctx context.Context) (pve.UPID, bool, error) { return e.API.SetVMConfig(ctx, ref, update) },
		happened: func(ctx context.Context) (bool, error) {
			config, err := e.API.VMConfig(ctx, ref)
			return err == nil && config.Description() == step.Note, err
		},
		tasks: pve.TaskFilter{VMID: ref.ID},
		again: true,
	}
}
