package pve_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"labctl/pkg/pve"
	"labctl/pkg/pvesim"
)

// subject is a server on which the contract is tried: what we believe of
// Proxmox VE and build on. The simulated ones are tried always, a real one when
// LABCTL_CONTRACT_URL names it.
type subject struct {
	*testing.T
	client   *pve.Client
	stranger *pve.Client // has a wrong secret
	major    int         // 0 when not known beforehand
	node     string
	pool     string
	storage  string
	template pve.VMRef
	first    pve.VMID // this one and the four after it are ours to use
	file     string   // a file that every guest has
	mark     string   // description of all that this run makes
}

func TestContractSimulated(t *testing.T) {
	for _, major := range []int{8, 9} {
		t.Run(fmt.Sprintf("PVE %d", major), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				guests := pvesim.NoGuests{AgentAfter: 20 * time.Second, Files: map[string][]byte{"/etc/hostname": []byte("ä €\n")}}
				cluster, err := pvesim.New(pvesim.SandboxTopology(major), pvesim.WithGuests(guests))
				if err != nil {
					t.Fatal(err)
				}
				config := pve.Config{URL: "https://pve.test", TokenID: pvesim.SandboxTokenID, Transport: cluster.Transport()}
				before := fmt.Sprint(cluster.VMs(), cluster.Volumes())
				s := newSubject(t, config, pvesim.SandboxTokenSecret)
				s.major, s.node, s.pool, s.storage, s.first = major, pvesim.SandboxNode, pvesim.SandboxPool, pvesim.SandboxStorage, 9100
				s.template = pve.VMRef{Node: s.node, ID: pvesim.SandboxTemplate}
				s.run()
				if after := fmt.Sprint(cluster.VMs(), cluster.Volumes()); after != before {
					t.Errorf("something is left, or something else was touched:\n%s\n%s", before, after)
				}
			})
		})
	}
}

// TestContractReal needs, besides _URL: LABCTL_CONTRACT_TOKEN_ID, _TOKEN_SECRET,
// _FINGERPRINT, _NODE, _TEMPLATE (a VMID), _POOL, _STORAGE and _VMIDS (the first
// of five free VMIDs). It makes VMs with these VMIDs in that pool only, and
// removes only those that bear its mark.
func TestContractReal(t *testing.T) {
	env := func(name string) string { return os.Getenv("LABCTL_CONTRACT_" + name) }
	if env("URL") == "" {
		t.Skip("LABCTL_CONTRACT_URL names no real server")
	}
	s := newSubject(t, pve.Config{URL: env("URL"), TokenID: env("TOKEN_ID"), Fingerprint: env("FINGERPRINT")}, env("TOKEN_SECRET"))
	s.node, s.pool, s.storage = env("NODE"), env("POOL"), env("STORAGE")
	s.template.Node = s.node
	if _, err := fmt.Sscan(env("TEMPLATE"), &s.template.ID); err != nil {
		t.Fatalf("LABCTL_CONTRACT_TEMPLATE: %v", err)
	}
	if _, err := fmt.Sscan(env("VMIDS"), &s.first); err != nil {
		t.Fatalf("LABCTL_CONTRACT_VMIDS: %v", err)
	}
	s.run()
}

func newSubject(t *testing.T, config pve.Config, secret string) *subject {
	s := &subject{T: t, file: "/etc/hostname", mark: fmt.Sprintf("labctl contract test %d", time.Now().UnixNano())}
	var err error
	config.TokenSecret = pve.Secret(secret)
	if s.client, err = pve.New(config); err != nil {
		t.Fatal(err)
	}
	config.TokenSecret = "00000000-0000-4000-8000-000000000000"
	if s.stranger, err = pve.New(config); err != nil {
		t.Fatal(err)
	}
	return s
}

// run tries the whole contract in the order of a lab's life.
func (s *subject) run() {
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Minute)
	defer cancel()
	for i := range 5 {
		if taken, err := s.client.VMIDTaken(ctx, s.first+pve.VMID(i)); taken || err != nil {
			s.Fatalf("VMID %d is not free: %v", int(s.first)+i, err)
		}
	}
	defer s.removeMarked()
	vm := pve.VMRef{Node: s.node, ID: s.first}
	s.server(ctx)
	s.clone(ctx, vm)
	s.configure(ctx, vm)
	s.resize(ctx, vm)
	s.boot(ctx, vm)
	s.agent(ctx, vm)
	s.destroy(ctx, vm)
	s.emptyVM(ctx)
	s.abort(ctx)
	s.parallel(ctx)
	s.absent(ctx)
}

// removeMarked removes what a failed run left, if it bears this run's mark.
func (s *subject) removeMarked() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 5*time.Minute)
	defer cancel()
	for i := range 5 {
		vm := pve.VMRef{Node: s.node, ID: s.first + pve.VMID(i)}
		config, err := s.client.VMConfig(ctx, vm)
		if err != nil || config.Description() != s.mark {
			continue
		}
		s.Logf("removing %v", vm)
		for _, begin := range []func(context.Context, pve.VMRef) (pve.UPID, error){s.client.Stop, s.client.Destroy} {
			upid, err := begin(ctx, vm)
			if err == nil {
				_, err = s.client.Wait(ctx, upid, nil)
			}
			if err != nil {
				s.Errorf("removing %v: %v", vm, err)
			}
		}
	}
}

// must ends the test on an error.
func (s *subject) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// done waits for a task that must succeed.
func (s *subject) done(ctx context.Context) func(pve.UPID, error) {
	s.Helper()
	return func(upid pve.UPID, err error) {
		s.Helper()
		s.must(err)
		_, err = s.client.Wait(ctx, upid, nil)
		s.must(err)
	}
}

// refused checks that a call, or its task, fails in one of the given ways.
func (s *subject) refused(ctx context.Context, what string, kinds ...error) func(pve.UPID, error) {
	s.Helper()
	return func(upid pve.UPID, err error) {
		s.Helper()
		if err == nil && !upid.IsZero() {
			_, err = s.client.Wait(ctx, upid, nil)
		}
		if !slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }) {
			s.Errorf("%s: %v, want %v", what, err, kinds)
		}
	}
}

func (s *subject) server(ctx context.Context) {
	version, err := s.client.Version(ctx)
	s.must(err)
	if s.major != 0 && version.Major != s.major || version.Release == "" {
		s.Errorf("version is %+v", version)
	}
	nodes, err := s.client.Nodes(ctx)
	s.must(err)
	if !slices.ContainsFunc(nodes, func(n pve.Node) bool { return n.Name == s.node }) {
		s.Errorf("nodes are %+v", nodes)
	}
	storages, err := s.client.Storages(ctx, s.node)
	s.must(err)
	if !slices.ContainsFunc(storages, func(st pve.Storage) bool {
		return st.Name == s.storage && st.Active && slices.Contains(st.Content, "images") && st.AvailBytes > 0 && st.TotalBytes >= st.AvailBytes
	}) {
		s.Errorf("storages are %+v", storages)
	}
	held, err := s.client.Permissions(ctx, "/pool/"+s.pool)
	s.must(err)
	for _, privilege := range []string{"VM.Allocate", "VM.Audit", "VM.PowerMgmt", "VM.Config.Disk"} {
		if !slices.Contains(held["/pool/"+s.pool], privilege) {
			s.Errorf("token lacks %s on the pool: %v", privilege, held)
		}
	}
	pools, err := s.client.Pools(ctx)
	s.must(err)
	if !slices.ContainsFunc(pools, func(p pve.Pool) bool { return p.ID == s.pool }) {
		s.Errorf("pools are %+v", pools)
	}
	_, err = s.stranger.Version(ctx)
	s.refused(ctx, "wrong secret", pve.ErrAuth)(pve.UPID{}, err)
	config, err := s.client.VMConfig(ctx, s.template)
	s.must(err)
	if !config.Template() {
		s.Fatalf("%v is no template", s.template)
	}
}

func (s *subject) request(vm pve.VMRef) pve.CloneRequest {
	return pve.CloneRequest{Source: s.template, NewID: vm.ID, Name: fmt.Sprintf("contract-%d", vm.ID), Pool: s.pool, Description: s.mark}
}

func (s *subject) clone(ctx context.Context, vm pve.VMRef) {
	upid, err := s.client.Clone(ctx, s.request(vm))
	s.must(err)
	if upid.Type != "qmclone" || upid.ID != s.template.ID.String() {
		s.Errorf("clone's task is %v; it is filed under the template", upid)
	}
	observed := 0
	status, err := s.client.Wait(ctx, upid, func(pve.TaskStatus) { observed++ })
	s.must(err)
	if status.Running || status.ExitStatus != "OK" || observed == 0 {
		s.Errorf("clone ended as %+v after %d observations", status, observed)
	}
	taken, err := s.client.VMIDTaken(ctx, vm.ID)
	s.must(err)
	config, err := s.client.VMConfig(ctx, vm)
	s.must(err)
	disk, ok := config.Drive("scsi0")
	if !taken || config.Description() != s.mark || config.Name() != s.request(vm).Name || config.Lock() != "" || config.Template() ||
		!ok || !strings.Contains(disk.Volume, fmt.Sprintf("/vm-%d-disk-", vm.ID)) {
		s.Errorf("clone is taken %v, %+v", taken, config)
	}
	members, err := s.client.PoolMembers(ctx, s.pool)
	s.must(err)
	if !slices.ContainsFunc(members, func(m pve.PoolMember) bool { return m.VMID == vm.ID && m.Type == "qemu" && m.Node == s.node }) {
		s.Errorf("pool has %+v", members)
	}
	resources, err := s.client.Resources(ctx)
	s.must(err)
	if !slices.ContainsFunc(resources, func(r pve.Resource) bool { return r.VMID == vm.ID && r.Pool == s.pool }) {
		s.Errorf("resources are %+v", resources)
	}
	s.refused(ctx, "clone to a taken VMID", pve.ErrVMIDTaken)(s.client.Clone(ctx, s.request(vm)))
	s.refused(ctx, "create with a taken VMID", pve.ErrVMIDTaken)(s.client.CreateEmptyVM(ctx, pve.EmptyVM{VMRef: vm, Pool: s.pool}))
	missing := s.request(pve.VMRef{Node: s.node, ID: s.first + 1})
	missing.Pool = "no-such-pool"
	s.refused(ctx, "clone into no pool", pve.ErrPermission)(s.client.Clone(ctx, missing))
}

func (s *subject) configure(ctx context.Context, vm pve.VMRef) {
	before, err := s.client.VMConfig(ctx, vm)
	s.must(err)
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvPNt/zSDCqBIlcxp0/VXR8Qn9PmuQGCfHEpHBbnbnO contract@test"
	change := pve.ConfigChange{
		Set: []pve.Param{
			{Key: "cores", Value: "2"},
			{Key: "memory", Value: "512"},
			{Key: "balloon", Value: "0"},
			{Key: "scsi1", Value: s.storage + ":1,cache=none,iothread=1,ssd=1,discard=on,serial=labctl-data"},
			{Key: "ciuser", Value: "lab"},
			{Key: "sshkeys", Value: pve.EncodeSSHKeys(key)},
			{Key: "ipconfig0", Value: "ip=dhcp"},
			{Key: "ciupgrade", Value: "0"},
			{Key: "agent", Value: "1"},
			{Key: "onboot", Value: "0"},
			{Key: "tags", Value: "Zeta;alpha"},
		},
		Digest: before.Digest(), BackgroundDelay: 15 * time.Second,
	}
	upid, running, err := s.client.SetVMConfig(ctx, vm, change)
	s.must(err)
	if running {
		_, err = s.client.Wait(ctx, upid, nil)
		s.must(err)
	}
	after, err := s.client.VMConfig(ctx, vm)
	s.must(err)
	for key, want := range map[string]string{"cores": "2", "memory": "512", "balloon": "0", "ciuser": "lab", "onboot": "0", "ciupgrade": "0", "sshkeys": pve.EncodeSSHKeys(key)} {
		if got := after.Raw[key]; got != want {
			s.Errorf("%s reads back as %q, want %q", key, got, want)
		}
	}
	if got := after.Tags(); !slices.Equal(got, []string{"alpha", "zeta"}) {
		s.Errorf("tags read back as %q", got)
	}
	disk, _ := after.Drive("scsi1")
	size, _ := disk.SizeBytes()
	if size != 1<<30 || disk.Options["cache"] != "none" || disk.Options["iothread"] != "1" || disk.Options["ssd"] != "1" ||
		disk.Options["discard"] != "on" || disk.Options["serial"] != "labctl-data" || !strings.Contains(disk.Volume, fmt.Sprintf("vm-%d-disk-", vm.ID)) {
		s.Errorf("scsi1 reads back as %v", disk)
	}
	change = pve.ConfigChange{Set: []pve.Param{{Key: "cores", Value: "1"}}, Digest: before.Digest(), BackgroundDelay: 5 * time.Second}
	upid, _, err = s.client.SetVMConfig(ctx, vm, change)
	s.refused(ctx, "change of an older config", pve.ErrChanged)(upid, err)
	change = pve.ConfigChange{Set: []pve.Param{{Key: "cores", Value: "many"}, {Key: "bogus", Value: "1"}}}
	upid, _, err = s.client.SetVMConfig(ctx, vm, change)
	s.refused(ctx, "nonsense", pve.ErrInvalid)(upid, err)
	var refusal *pve.Error
	if errors.As(err, &refusal) && refusal.Fields["bogus"] == "" {
		s.Errorf("objections are %v", refusal.Fields)
	}
}

func (s *subject) resize(ctx context.Context, vm pve.VMRef) {
	config, err := s.client.VMConfig(ctx, vm)
	s.must(err)
	disk, _ := config.Drive("scsi0")
	size, ok := disk.SizeBytes()
	if !ok {
		s.Fatalf("scsi0 is %v", disk)
	}
	s.done(ctx)(s.client.Resize(ctx, vm, "scsi0", size+1<<30))
	s.done(ctx)(s.client.Resize(ctx, vm, "scsi0", size+1<<30)) // again: does nothing
	config, err = s.client.VMConfig(ctx, vm)
	s.must(err)
	disk, _ = config.Drive("scsi0")
	if got, _ := disk.SizeBytes(); got != size+1<<30 {
		s.Errorf("scsi0 is %v after growing %d by 1 GiB", disk, size)
	}
	s.refused(ctx, "shrinking", pve.ErrInvalid)(s.client.Resize(ctx, vm, "scsi0", 1<<20))
	s.refused(ctx, "resize of no disk", pve.ErrNotFound)(s.client.Resize(ctx, vm, "scsi9", 1<<30))
}

func (s *subject) boot(ctx context.Context, vm pve.VMRef) {
	s.refused(ctx, "agent of a VM that is off", pve.ErrVMNotRunning)(pve.UPID{}, s.client.AgentPing(ctx, vm))
	s.done(ctx)(s.client.Start(ctx, vm))
	s.refused(ctx, "agent of a VM that boots", pve.ErrAgentNotAnswering)(pve.UPID{}, s.client.AgentPing(ctx, vm))
	status, err := s.client.VMStatus(ctx, vm)
	s.must(err)
	if !status.Running() || !status.Agent || status.HAManaged || status.Lock != "" {
		s.Errorf("status is %+v", status)
	}
	s.refused(ctx, "second start", pve.ErrVMRunning)(s.client.Start(ctx, vm))
	s.refused(ctx, "destroying a running VM", pve.ErrVMRunning)(s.client.Destroy(ctx, vm))
}

func (s *subject) agent(ctx context.Context, vm pve.VMRef) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for s.client.AgentPing(ctx, vm) != nil {
		select {
		case <-ctx.Done():
			s.Fatal("the guest agent never answered")
		case <-ticker.C:
		}
	}
	config, err := s.client.VMConfig(ctx, vm)
	s.must(err)
	interfaces, err := s.client.AgentInterfaces(ctx, vm)
	s.must(err)
	if !slices.ContainsFunc(interfaces, func(i pve.Interface) bool { return strings.Contains(config.Raw["net0"], i.MAC) }) {
		s.Errorf("interfaces are %+v, net0 is %s", interfaces, config.Raw["net0"])
	}
	info, err := s.client.AgentOSInfo(ctx, vm)
	s.must(err)
	if info.ID == "" || info.KernelRelease == "" {
		s.Errorf("OS is %+v", info)
	}
	content, err := s.client.AgentReadFile(ctx, vm, s.file)
	s.must(err)
	if len(content) == 0 || s.major != 0 && string(content) != "ä €\n" {
		s.Errorf("%s is %q", s.file, content)
	}
	_, err = s.client.AgentReadFile(ctx, vm, "/none")
	s.refused(ctx, "reading no file", fs.ErrNotExist)(pve.UPID{}, err)
}

func (s *subject) destroy(ctx context.Context, vm pve.VMRef) {
	volumes, err := s.client.Volumes(ctx, s.node, s.storage, vm.ID)
	s.must(err)
	if len(volumes) < 2 || slices.ContainsFunc(volumes, func(v pve.Volume) bool { return v.VMID != vm.ID || v.SizeBytes <= 0 }) {
		s.Errorf("volumes are %+v", volumes)
	}
	s.done(ctx)(s.client.Stop(ctx, vm))
	s.done(ctx)(s.client.Stop(ctx, vm)) // again: a VM that is off can be stopped
	status, err := s.client.VMStatus(ctx, vm)
	s.must(err)
	if status.Running() || status.Uptime != 0 {
		s.Errorf("status is %+v", status)
	}
	s.done(ctx)(s.client.Destroy(ctx, vm))
	taken, err := s.client.VMIDTaken(ctx, vm.ID)
	s.must(err)
	if taken {
		s.Error("the VMID is still taken")
	}
	// With rights from the pool only, a destroyed VM is forbidden rather than missing.
	_, err = s.client.VMConfig(ctx, vm)
	s.refused(ctx, "config of a destroyed VM", pve.ErrPermission, pve.ErrVMNotFound)(pve.UPID{}, err)
	tasks, err := s.client.Tasks(ctx, s.node, pve.TaskFilter{VMID: vm.ID})
	s.must(err)
	if !slices.ContainsFunc(tasks, func(t pve.Task) bool { return t.UPID.Type == "qmdestroy" && !t.Running && !t.Failed() }) {
		s.Errorf("tasks are %+v", tasks)
	}
}

// emptyVM is the proof that nothing is left: a VM without disks makes the
// volumes of its VMID visible.
func (s *subject) emptyVM(ctx context.Context) {
	vm := pve.EmptyVM{VMRef: pve.VMRef{Node: s.node, ID: s.first}, Pool: s.pool, Name: "contract-probe", Description: s.mark}
	type result struct {
		upid pve.UPID
		err  error
	}
	results := make(chan result, 2)
	for range 2 { // of two that want the VMID at once, one gets it
		go func() {
			upid, err := s.client.CreateEmptyVM(ctx, vm)
			results <- result{upid, err}
		}()
	}
	won := 0
	for range 2 {
		if r := <-results; r.err == nil {
			won++
			s.done(ctx)(r.upid, nil)
		} else {
			s.refused(ctx, "second create", pve.ErrVMIDTaken)(r.upid, r.err)
		}
	}
	volumes, err := s.client.Volumes(ctx, s.node, s.storage, vm.ID)
	s.must(err)
	if won != 1 || len(volumes) != 0 {
		s.Errorf("%d creates won; volumes are left: %+v", won, volumes)
	}
	s.done(ctx)(s.client.Destroy(ctx, vm.VMRef))
}

// parallel: waits on one node share their polls; destroys go one by one.
func (s *subject) parallel(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			upid, err := s.client.Clone(ctx, s.request(pve.VMRef{Node: s.node, ID: s.first + 2 + pve.VMID(i)}))
			if err == nil {
				_, err = s.client.Wait(ctx, upid, nil)
			}
			if err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range 3 {
		s.done(ctx)(s.client.Destroy(ctx, pve.VMRef{Node: s.node, ID: s.first + 2 + pve.VMID(i)}))
	}
}

// absent: what is not there, or not ours to see.
func (s *subject) absent(ctx context.Context) {
	vm := pve.VMRef{Node: s.node, ID: s.first}
	_, err := s.client.VMStatus(ctx, vm)
	s.refused(ctx, "status of no VM", pve.ErrPermission, pve.ErrVMNotFound)(pve.UPID{}, err)
	s.refused(ctx, "starting no VM", pve.ErrPermission, pve.ErrVMNotFound)(s.client.Start(ctx, vm))
	upid, err := pve.ParseUPID(fmt.Sprintf("UPID:%s:00000FFF:000FFFFF:6B000000:qmstart:%d:root@pam:", s.node, vm.ID))
	s.must(err)
	_, err = s.client.TaskStatus(ctx, upid)
	s.refused(ctx, "status of no task", pve.ErrNotFound, pve.ErrPermission)(pve.UPID{}, err)
	_, err = s.client.Volumes(ctx, s.node, "no-such-storage", 0)
	s.refused(ctx, "content of no storage", pve.ErrNotFound, pve.ErrPermission)(pve.UPID{}, err)
	_, err = s.client.Storages(ctx, "no-such-node")
	s.refused(ctx, "storages of no node", pve.ErrNotFound)(pve.UPID{}, err)
}
