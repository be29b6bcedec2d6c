// Package change carries a plan out on PVE: every change is journalled before it is sent, a lost answer is looked up and
// never repeated blindly, and what was made can be undone with a proof that nothing is left.
package change

import (
	"context"
	"time"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/plan"
	"labctl/pkg/lab/teardown"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// Reader is what apply reads from PVE.
type Reader interface {
	inventory.API
	PendingConfig(ctx context.Context, vm pve.VMRef) (pve.PendingConfig, error)
	Storages(ctx context.Context, node string) ([]pve.Storage, error)
	Volumes(ctx context.Context, node, storage string, owner pve.VMID) ([]pve.Volume, error)
	Tasks(ctx context.Context, node string, filter pve.TaskFilter) ([]pve.Task, error)
	TaskLog(ctx context.Context, task pve.UPID, tail int) ([]string, error)
	Wait(ctx context.Context, task pve.UPID, observe func(pve.TaskStatus)) (pve.TaskStatus, error)
	// Ahead sends nothing: it tells how far this machine's clock is ahead of the server's, if that is known.
	Ahead() (ahead time.Duration, known bool)
}

// Changer is what apply changes on PVE. Each method starts a task, unless it says otherwise.
type Changer interface {
	Clone(ctx context.Context, request pve.CloneRequest) (pve.UPID, error)
	CreateEmptyVM(ctx context.Context, vm pve.EmptyVM) (pve.UPID, error)
	SetVMConfig(ctx context.Context, vm pve.VMRef, change pve.ConfigChange) (pve.UPID, bool, error)
	Resize(ctx context.Context, vm pve.VMRef, disk string, sizeBytes int64) (pve.UPID, error)
	Start(ctx context.Context, vm pve.VMRef) (pve.UPID, error)
	Stop(ctx context.Context, vm pve.VMRef) (pve.UPID, error)
	Destroy(ctx context.Context, vm pve.VMRef) (pve.UPID, error)
	DestroyOnly(ctx context.Context, vm pve.VMRef) (pve.UPID, error)
	CreateVM(ctx context.Context, vm pve.NewVM) (pve.UPID, error)
	MakeTemplate(ctx context.Context, vm pve.VMRef) (pve.UPID, error)
	Download(ctx context.Context, node, storage string, download pve.Download) (pve.UPID, error)
	Upload(ctx context.Context, node, storage string, file pve.File) (pve.UPID, error)
	DeleteVolume(ctx context.Context, node, volumeID string) (pve.UPID, error)
	// AbortTask starts no task: it ends one.
	AbortTask(ctx context.Context, task pve.UPID) error
}

// API is the part of PVE that apply works with.
type API interface {
	Reader
	Changer
}

// Readiness waits until a started VM can be measured, prepares it, and says what was learnt of it.
type Readiness interface {
	Await(ctx context.Context, vm VM) (facts map[string]string, err error)
}

// VM is a VM of the lab while it is worked on.
type VM struct {
	Spec   labspec.VM
	Index  int // place in the spec
	Ref    pve.VMRef
	Config pve.VMConfig // as read back from PVE
}

// Observer is told what happens, from several goroutines.
type Observer interface {
	StepStarted(vm, step, detail string)
	StepFinished(vm, step string, took time.Duration, err error)
	// Line tells something that is worth knowing, and no failure.
	Line(format string, args ...any)
}

// Executor carries out plans for one lab.
type Executor struct {
	API      API
	Journal  *journal.Journal
	Observer Observer
	Token    string // the name of the token, by which its tasks are known
	Pool     string
	Mark     inventory.Mark // of this lab run, for what is made; the VM's name is filled in
	Self     inventory.Self // with whom marks are compared before anything is removed
	Gates    Gates          // shared with others who work on the same server; nil: nobody else does

	Discard bool // what Reconcile finds is going to be removed
	// Words are what the person at work says of volumes and VMIDs.
	Words teardown.Words

	// Storages are those that the lab's spec names for disks; nil when no spec is at hand.
	Storages []string

	// Needed by Up only.
	Lab       *labspec.Lab
	CloudInit func(index int) []pve.Param // for the VM at that place in the spec
	// SeedImage is the cloud-init image for the VM at that place in the spec, when the plan uploads one.
	SeedImage func(index int) ([]byte, error)
	Readiness Readiness
	KeepGoing bool // the failure of one VM does not stop the others

	vmids vmids
	own   LocalGates
	pace  pace
}

// mark is the owner mark for one VM.
func (e *Executor) mark(vm string, id pve.VMID) string {
	mark := e.Mark
	mark.VM, mark.VMID = vm, int(id)
	return mark.Description()
}

// step runs one step and tells the observer.
func (e *Executor) step(vm string, step plan.Step, run func() error) error {
	e.Observer.StepStarted(vm, step.Name(), step.Detail())
	begun := time.Now()
	err := run()
	e.Observer.StepFinished(vm, step.Name(), time.Since(begun), err)
	return err
}
