package pvesim

import (
	"fmt"
	"slices"
	"strings"
)

// storageStatus is a storage as GET /nodes/{node}/storage shows it.
type storageStatus struct {
	Storage  string  `json:"storage,omitempty"`
	Type     string  `json:"type"`
	Content  string  `json:"content"`
	Active   int     `json:"active"`
	Enabled  int     `json:"enabled"`
	Shared   int     `json:"shared"`
	Total    int64   `json:"total"`
	Used     int64   `json:"used"`
	Avail    int64   `json:"avail"`
	Fraction float64 `json:"used_fraction,omitempty"`
}

// status leaves the figures of a storage out that does not work (PVE::Storage::storage_info).
func (s *storage) status() storageStatus {
	status := storageStatus{Type: s.kind, Content: strings.Join(s.content, ","), Enabled: bit(!s.disabled), Shared: bit(s.shared)}
	if !s.disabled && !s.inactive {
		status.Active, status.Total, status.Used, status.Avail = 1, s.totalBytes, s.used(), s.available()
	}
	return status
}

// listStorages is GET /nodes/{node}/storage.
func listStorages(k *call) (any, error) {
	list := []storageStatus{}
	for _, s := range k.storagesOn(k.node()) {
		name := s.name
		if !k.holds("/storage/"+name, "Datastore.Audit", "Datastore.AllocateSpace") {
			continue
		}
		if only := k.params.text("storage"); only != "" && only != name {
			continue
		}
		wanted := k.params.list("content")
		if len(wanted) > 0 && !slices.ContainsFunc(wanted, s.offers) {
			continue
		}
		status := s.status()
		status.Storage = name
		if err := k.hang(s, &status); err != nil {
			return nil, err
		}
		status.Fraction = float64(status.Used) / float64(max(status.Total, 1))
		list = append(list, status)
	}
	return list, nil
}

// pathStorage is the storage of the path.
func (k *call) pathStorage() (*storage, error) {
	s, err := k.storageNamed(k.params.text("storage"))
	if err != nil {
		return nil, failure("%v", err)
	}
	return s, nil
}

// getStorageStatus is GET .../storage/{storage}/status.
func getStorageStatus(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	status := s.status()
	if err := k.hang(s, &status); err != nil {
		return nil, err
	}
	return status, nil
}

// imageVolume is a VM's volume in a content list, fileVolume a file; a directory storage tells more than ZFS.
type imageVolume struct {
	VolID   string  `json:"volid"`
	Content string  `json:"content"`
	Format  string  `json:"format"`
	Size    int64   `json:"size"`
	VMID    int     `json:"vmid"`
	Name    string  `json:"name,omitempty"`
	Parent  *string `json:"parent"`
	Used    *int64  `json:"used,omitempty"`
	CTime   int64   `json:"ctime,omitempty"`
}

type fileVolume struct {
	VolID   string `json:"volid"`
	Content string `json:"content"`
	Format  string `json:"format"`
	Size    int64  `json:"size"`
	CTime   int64  `json:"ctime"`
}

func (v *volume) entry() any {
	if v.content != "images" {
		return fileVolume{VolID: v.id(), Content: v.content, Format: v.format, Size: v.size, CTime: v.created.Unix()}
	}
	e := imageVolume{VolID: v.id(), Content: v.content, Format: v.format, Size: v.size, VMID: v.vmid}
	if v.storage.kind == "zfspool" {
		e.Name = v.name
	} else {
		used := int64(4096)
		e.Used, e.CTime = &used, v.created.Unix()
	}
	if v.base != nil {
		parent := v.base.name + "@__base__"
		if v.storage.kind != "zfspool" {
			parent = "../" + v.base.name
		}
		e.Parent = &parent
	}
	return e
}

// listContent is GET .../storage/{storage}/content. Volumes that the caller has no business with are left out: an
// empty list proves nothing.
func listContent(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	if err := s.unavailable(); err != nil {
		return nil, failure("%v", err)
	}
	if err := k.awaitStorage(s); err != nil {
		return nil, err
	}
	list := []any{}
	for _, v := range s.inOrder() {
		wanted := k.params.text("content")
		if k.params.has("vmid") && v.content == "images" && v.vmid != k.vmid() || wanted != "" && wanted != v.content {
			continue
		}
		if !s.offers(v.content) || k.checkVolumeAccess(0, v.id()) != nil && !k.maySee(v) {
			continue
		}
		list = append(list, v.entry())
	}
	return list, nil
}

// awaitStorage lists what is on a storage, which takes no time unless a fault says so. A list is given up after the
// limit of all synchronous storage commands.
func (k *call) awaitStorage(s *storage) error {
	delay, fault := k.volumeFault("list", s, "")
	command := fmt.Sprintf("zfs list -o name,volsize,origin,type,refquota -t volume,filesystem -d1 -Hp %s", s.dataset)
	if err := k.pass(k.ctx, min(delay, k.timings.SyncStorage)); err != nil {
		return err
	}
	switch {
	case fault != nil:
		return failure("command '%s' failed: %v", command, fault)
	case delay >= k.timings.SyncStorage && delay > 0:
		return failure("command '%s' failed: got timeout", command)
	}
	return nil
}

// hang is how a storage that does not answer looks: late, and inactive.
func (k *call) hang(s *storage, status *storageStatus) error {
	delay, fault := k.volumeFault("status", s, "")
	limit := 2 * k.timings.SyncStorage
	if err := k.pass(k.ctx, min(delay, limit)); err != nil {
		return err
	}
	if fault != nil || delay >= limit && delay > 0 {
		status.Active, status.Total, status.Used, status.Avail = 0, 0, 0, 0
	}
	return nil
}

// maySee is for content that has no owner.
func (k *call) maySee(v *volume) bool {
	return v.content == "snippets" && k.holds("/storage/"+v.storage.name, "Datastore.Audit")
}

// volumeInfo is what GET .../content/{volume} tells.
type volumeInfo struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	Used   int64  `json:"used"`
	Format string `json:"format"`
}

// pathVolume is the volume of the path, if there is one, and its full name.
func (k *call) pathVolume() (*volume, string, error) {
	volid := k.params.text("volume")
	if !strings.Contains(volid, ":") {
		volid = k.params.text("storage") + ":" + volid
	}
	store, name, _ := splitVolume(volid)
	s, err := k.storageNamed(store)
	if err != nil {
		return nil, volid, failure("%v", err)
	}
	if _, _, err := s.parseName(name); err != nil {
		return nil, volid, failure("%v", err)
	}
	v, _ := s.find(name)
	return v, volid, nil
}

// getVolume is GET .../storage/{storage}/content/{volume}.
func getVolume(k *call) (any, error) {
	v, volid, err := k.pathVolume()
	if err != nil {
		return nil, err
	}
	if err := k.checkVolumeAccess(0, volid); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, failure("volume_size_info on '%s' failed", volid)
	}
	return volumeInfo{Path: v.devicePath(), Size: v.size, Used: v.size, Format: v.format}, nil
}

// devicePath is where the node has the volume.
func (v *volume) devicePath() string {
	if v.storage.kind == "zfspool" {
		return "/dev/zvol/" + v.storage.dataset + "/" + v.name
	}
	folders := map[string]string{"iso": "/template/iso", "vztmpl": "/template/cache", "images": "/images"}
	folder, ok := folders[v.content]
	if !ok {
		folder = "/" + v.content
	}
	return v.storage.path + folder + "/" + strings.TrimPrefix(v.name, v.content+"/")
}

// deleteVolume is DELETE .../storage/{storage}/content/{volume}: a task, which succeeds for a file that is not there.
func deleteVolume(k *call) (any, error) {
	v, volid, err := k.pathVolume()
	if err != nil {
		return nil, err
	}
	store, name, _ := splitVolume(volid)
	s, err := k.storageNamed(store)
	if err != nil {
		return nil, failure("%v", err)
	}
	_, owner, _ := s.parseName(name)
	if err := k.require("/storage/"+store, "Datastore.Allocate"); err != nil {
		return nil, err
	}
	id := store
	if owner != 0 {
		id = strings.TrimPrefix(vmPath(owner), "/vms/") + "@" + store
	}
	return k.fork("imgdel", id, sleepFor(k.timings.Fork), func(w *worker) error {
		if v == nil {
			w.logf("unlink file '%s' failed: No such file or directory", volid)
			return nil
		}
		w.do(k.remove(v), func(w *worker) error {
			w.logf("Removed volume '%s'", volid)
			return nil
		})
		return nil
	})
}
