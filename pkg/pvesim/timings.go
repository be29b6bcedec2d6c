package pvesim

import "time"

// Timings says how long what takes. The lock time-outs are Proxmox VE's own; everything else depends on the machine.
type Timings struct {
	Fork        time.Duration // the least a worker takes
	CloneLinked time.Duration // clone of one disk without copying
	CopyPerGiB  time.Duration // full clone or import, per GiB of the disk
	Allocate    time.Duration // making one volume, inside the storage lock
	Free        time.Duration // removing one volume, inside the storage lock
	BusyRetry   time.Duration // pause between the six tries at a busy dataset, inside the storage lock
	Resize      time.Duration
	Start       time.Duration
	Boot        time.Duration // from start to an answering guest agent, for guests that are only pretended
	Stop        time.Duration
	Shutdown    time.Duration
	Destroy     time.Duration // what a destroy does besides removing volumes

	AgentDown    time.Duration // an agent call that nobody answers
	AuthDelay    time.Duration // every refused authentication
	AbortGrace   time.Duration // from SIGTERM to SIGKILL when a task is aborted
	Reap         time.Duration // from SIGKILL to the end of the task in its status
	CloneUndo    time.Duration // pause of a failed clone before it removes its volumes
	ProxyTimeout time.Duration // after this pveproxy gives up on a synchronous call
	SyncStorage  time.Duration // limit of one storage command in a synchronous call; a worker has minutes
	VolumeWait   time.Duration // how long a synchronous call looks for a volume that does not exist
	Statistics   time.Duration // period of pvestatd, the source of names and states in cluster/resources

	LockClone, LockCreate, LockConfig, LockStorage time.Duration // how long lock files are waited for
}

// realLimits are the times that are written in Proxmox VE's source.
func realLimits() Timings {
	return Timings{
		BusyRetry: time.Second, AgentDown: 3 * time.Second, AuthDelay: 3 * time.Second, AbortGrace: 5 * time.Second,
		Reap: 500 * time.Millisecond, CloneUndo: time.Second,
		ProxyTimeout: 30 * time.Second, SyncStorage: 10 * time.Second, VolumeWait: 10 * time.Second,
		Statistics: 10 * time.Second, LockClone: time.Second, LockCreate: 5 * time.Second, LockConfig: 10 * time.Second,
		LockStorage: 10 * time.Second,
	}
}

// Quick is for demonstrations and tests on real clocks: three VMs are up in two or three seconds. Delays that only
// annoy are shortened too, the lock time-outs are not.
func Quick() Timings {
	t := realLimits()
	t.Fork = 20 * time.Millisecond
	t.CloneLinked, t.CopyPerGiB = 100*time.Millisecond, 100*time.Millisecond
	t.Allocate, t.Free, t.Resize = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	t.Start, t.Boot = 200*time.Millisecond, 500*time.Millisecond
	t.Stop, t.Shutdown, t.Destroy = 100*time.Millisecond, 300*time.Millisecond, 50*time.Millisecond
	t.AgentDown, t.AuthDelay, t.Statistics = 300*time.Millisecond, 300*time.Millisecond, 2*time.Second
	return t
}

// Realistic is a small server with NVMe disks, by measurements of several provisioning tools: a linked clone of a cloud
// image takes seconds, a guest agent answers twenty seconds after the start.
func Realistic() Timings {
	t := realLimits()
	t.Fork = 100 * time.Millisecond
	t.CloneLinked, t.CopyPerGiB = time.Second, 3500*time.Millisecond
	t.Allocate, t.Free, t.Resize = time.Second, time.Second, time.Second
	t.Start, t.Boot = 3*time.Second, 20*time.Second
	t.Stop, t.Shutdown, t.Destroy = 2*time.Second, 8*time.Second, time.Second
	return t
}
