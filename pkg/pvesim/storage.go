package pvesim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cloudinitBytes is the size of every cloud-init volume.
const cloudinitBytes = 4 << 20

// storage is one storage definition with the volumes on it, as one node sees it.
type storage struct {
	name       string
	node       string // empty: the first node's, or everybody's
	shared     bool
	only       []string // nodes that have it; empty: all
	kind       string   // dir or zfspool
	content    []string
	path       string
	dataset    string
	sparse     bool
	blockSize  string
	totalBytes int64
	otherBytes int64
	volumes    map[string]*volume // by name within the storage
	disabled   bool
	inactive   bool
}

// volume is one volume or file of a storage.
type volume struct {
	storage     *storage
	name        string // vm-100-disk-0, 100/vm-100-disk-0.raw, iso/x.iso
	content     string
	format      string
	vmid        int
	size        int64
	virtual     int64  // importable images: size of the disk inside
	sha256      string // files: of what is in it; empty: nobody cares
	base        *volume
	created     time.Time
	holdsSystem bool   // something bootable is on it
	data        []byte // of a small file, when it is known
}

func newStorage(s StorageSpec, now time.Time) *storage {
	st := &storage{
		name: s.Name, kind: s.Type, content: s.Content, path: s.Path, dataset: s.Dataset, sparse: s.Sparse,
		blockSize: s.BlockSize, totalBytes: s.TotalBytes, otherBytes: s.OtherBytes, disabled: s.Disabled, inactive: s.Inactive,
		volumes: map[string]*volume{}, shared: s.Shared, only: s.Nodes,
	}
	for _, f := range s.Files {
		v := st.addFile(f.Content, f.Name, f.SizeBytes, now)
		v.virtual, v.sha256 = f.VirtualBytes, f.SHA256
		v.data = []byte(f.Text)
	}
	for _, orphan := range s.Orphans {
		_, _ = st.add(orphan.Name, orphan.VMID, orphan.SizeBytes, now) // fails for a name that is there already
	}
	return st
}

// id is the volume's full name; a linked clone carries its base in front.
func (v *volume) id() string {
	if v.base != nil {
		return v.storage.name + ":" + v.base.name + "/" + v.name
	}
	return v.storage.name + ":" + v.name
}

// shortName is the name without the folder of its VM.
func (v *volume) shortName() string { return v.name[strings.LastIndex(v.name, "/")+1:] }

// isBase reports whether it is the disk of a template.
func (v *volume) isBase() bool { return strings.HasPrefix(v.shortName(), "base") }

// unavailable says why the storage cannot be used: the administrator switched it off, or it does not answer (pve-storage
// 9.1.7: Storage.pm:286 and 1354, Storage/Plugin.pm:1962, Storage/ZFSPoolPlugin.pm:675-679).
func (s *storage) unavailable() error {
	switch {
	case s.disabled:
		return fmt.Errorf("storage '%s' is disabled", s.name)
	case !s.inactive:
		return nil
	case s.kind == "zfspool":
		pool, _, _ := strings.Cut(s.dataset, "/")
		return fmt.Errorf("could not activate storage '%s', zfs error: cannot import '%s': no such pool available", s.name, pool)
	case s.kind == "dir":
		return fmt.Errorf("unable to activate storage '%s' - directory '%s' does not exist or is unreachable", s.name, s.path)
	}
	return fmt.Errorf("storage '%s' is not online", s.name)
}

// addFile puts a file on a directory storage.
func (s *storage) addFile(content, name string, size int64, now time.Time) *volume {
	format := map[string]string{"iso": "iso", "vztmpl": "tgz", "snippets": "snippet"}[content]
	if format == "" {
		format = name[strings.LastIndex(name, ".")+1:]
	}
	v := &volume{storage: s, name: content + "/" + name, content: content, format: format, size: size, created: now}
	s.volumes[v.name] = v
	return v
}

// add makes a raw volume for a VM's disk at once. The error is that of ZFS.
func (s *storage) add(name string, vmid int, size int64, now time.Time) (*volume, error) {
	return s.addAs("raw", name, vmid, size, now)
}

// addAs is add for a format. A directory storage has the format in the name of the file.
func (s *storage) addAs(format, name string, vmid int, size int64, now time.Time) (*volume, error) {
	size = (size + 1<<20 - 1) >> 20 << 20 // volumes are made in whole MiB
	if s.kind != "zfspool" {
		name = fmt.Sprintf("%d/%s.%s", vmid, name, format)
	}
	if _, taken := s.volumes[name]; taken {
		return nil, s.zfsError("create", name, "dataset already exists")
	}
	if !s.sparse && s.kind == "zfspool" && size > s.available() {
		return nil, s.zfsError("create", name, "out of space")
	}
	v := &volume{storage: s, name: name, content: "images", format: format, vmid: vmid, size: size, created: now}
	s.volumes[name] = v
	return v, nil
}

func (s *storage) zfsError(verb, name, why string) error {
	return fmt.Errorf("zfs error: cannot %s '%s/%s': %s", verb, s.dataset, name, why)
}

// freeName is the next free name for a disk of a VM on this storage.
func (s *storage) freeName(vmid int) string {
	for k := 0; ; k++ {
		name := fmt.Sprintf("vm-%d-disk-%d", vmid, k)
		taken := slices.ContainsFunc(s.inOrder(), func(v *volume) bool {
			short, _, _ := strings.Cut(v.shortName(), ".")
			return short == name || short == "base-"+strings.TrimPrefix(name, "vm-")
		})
		if !taken {
			return name
		}
	}
}

// inOrder returns the volumes sorted by name.
func (s *storage) inOrder() []*volume {
	list := make([]*volume, 0, len(s.volumes))
	for _, name := range sortedKeys(s.volumes) {
		list = append(list, s.volumes[name])
	}
	return list
}

// used is what the volumes occupy: thin ones only what was written to them at the beginning.
func (s *storage) used() int64 {
	used := int64(1<<20) + s.otherBytes
	for _, v := range s.volumes {
		switch {
		case v.content != "images", s.kind == "zfspool" && !s.sparse && v.base == nil:
			used += v.size
		case v.holdsSystem && v.base == nil:
			used += v.size
		default:
			used += 56 << 10
		}
	}
	return min(used, s.totalBytes)
}

func (s *storage) available() int64 { return s.totalBytes - s.used() }

func (s *storage) offers(content string) bool { return slices.Contains(s.content, content) }

var (
	zvolName = regexp.MustCompile(`^(?:((?:base|basevol)-\d+-\S+)/)?((?:base|basevol|vm|subvol)-(\d+)-\S+)$`)
	fileName = regexp.MustCompile(`^(?:(iso|vztmpl|import|snippets)/([^/]+)|(?:\d+/base-\d+-[^/]+/)?(\d+)/([^/]+\.(?:raw|qcow2|vmdk)))$`)
)

// splitVolume separates storage and volume name.
func splitVolume(volid string) (store, name string, ok bool) {
	store, name, ok = strings.Cut(volid, ":")
	return store, name, ok && store != "" && name != "" && !strings.Contains(store, "/")
}

// parseName says what kind of volume a name means on this storage.
func (s *storage) parseName(name string) (content string, vmid int, err error) {
	if s.kind == "zfspool" {
		m := zvolName.FindStringSubmatch(name)
		if m == nil {
			return "", 0, fmt.Errorf("unable to parse zfs volume name '%s'", name)
		}
		vmid, err = strconv.Atoi(m[3])
		return "images", vmid, err
	}
	m := fileName.FindStringSubmatch(name)
	switch {
	case m == nil:
		return "", 0, fmt.Errorf("unable to parse directory volume name '%s'", name)
	case m[1] != "":
		return m[1], 0, nil
	}
	vmid, err = strconv.Atoi(m[3])
	return "images", vmid, err
}

// find returns the volume with the given name, which may carry its base in front.
func (s *storage) find(name string) (*volume, bool) {
	parts := strings.Split(name, "/")
	switch {
	case s.kind == "zfspool":
		name = parts[len(parts)-1]
	case len(parts) == 4:
		name = parts[2] + "/" + parts[3]
	}
	v, ok := s.volumes[name]
	return v, ok
}

// hasClones reports whether a volume is the base of others.
func (c *Cluster) hasClones(base *volume) bool {
	for _, v := range base.storage.volumes {
		if v.base == base {
			return true
		}
	}
	return false
}
