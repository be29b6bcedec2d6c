package pvesim

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strings"
)

// storageConfig is a storage definition as in storage.cfg.
type storageConfig struct {
	Storage   string `json:"storage"`
	Type      string `json:"type"`
	Content   string `json:"content"`
	Digest    string `json:"digest"`
	Path      string `json:"path,omitempty"`
	Pool      string `json:"pool,omitempty"`
	Sparse    int    `json:"sparse,omitempty"`
	BlockSize string `json:"blocksize,omitempty"`
	Prune     string `json:"prune-backups,omitempty"`
	Priority  *int   `json:"priority,omitempty"`
	Disable   int    `json:"disable,omitempty"`
	Shared    int    `json:"shared,omitempty"`
	Nodes     string `json:"nodes,omitempty"`
}

func (k *call) storageConfig(s *storage) storageConfig {
	r := storageConfig{
		Storage: s.name, Type: s.kind, Content: strings.Join(s.content, ","), Path: s.path, Pool: s.dataset,
		Sparse: bit(s.sparse), BlockSize: s.blockSize, Disable: bit(s.disabled), Shared: bit(s.shared), Nodes: strings.Join(s.only, ","), Digest: k.storageDigest(),
	}
	if s.kind == "dir" {
		r.Prune, r.Priority = "keep-all=1", new(int)
	}
	return r
}

func (c *Cluster) storageDigest() string {
	h := sha1.New()
	for _, name := range sortedKeys(c.storages) {
		s := c.storages[name]
		fmt.Fprintf(h, "%s: %s\n%s\n%s%s%v%s\n", s.kind, s.name, strings.Join(s.content, ","), s.path, s.dataset, s.sparse, s.blockSize)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// listStorageConfigs is GET /storage.
func listStorageConfigs(k *call) (any, error) {
	list := []storageConfig{}
	for _, name := range sortedKeys(k.storages) {
		s := k.storages[name]
		if kind := k.params.text("type"); kind != "" && kind != s.kind {
			continue
		}
		if k.holds("/storage/"+name, "Datastore.Audit", "Datastore.AllocateSpace") {
			list = append(list, k.storageConfig(s))
		}
	}
	return list, nil
}

// getStorageConfig is GET /storage/{storage}.
func getStorageConfig(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, err
	}
	return k.storageConfig(s), nil
}

type storageName struct {
	Storage string `json:"storage"`
	Type    string `json:"type"`
}

// defaultStorageBytes is the size of a storage that was made through the API.
const defaultStorageBytes = 40 << 30

// createStorage is POST /storage.
func createStorage(k *call) (any, error) {
	name, kind := k.params.text("storage"), k.params.text("type")
	if _, taken := k.storages[name]; taken {
		return nil, failure("create storage failed: storage ID '%s' already defined", name)
	}
	spec := StorageSpec{Name: name, Type: kind, TotalBytes: defaultStorageBytes, Content: []string{"images", "rootdir"}}
	if kind == "dir" {
		spec.Content = []string{"images", "rootdir", "vztmpl", "iso", "backup", "snippets"}
	}
	k.buildStorage(spec)
	k.setStorages(name)
	return storageName{name, kind}, nil
}

// setStorages sets what the request says, on all nodes.
func (k *call) setStorages(name string) {
	k.setStorage(k.storages[name])
	for _, theirs := range k.elsewhere {
		if s, ok := theirs[name]; ok {
			k.setStorage(s)
		}
	}
}

func (k *call) setStorage(s *storage) {
	p := k.params
	for name, field := range map[string]*string{"path": &s.path, "pool": &s.dataset, "blocksize": &s.blockSize} {
		if p.has(name) {
			*field = p.text(name)
		}
	}
	if p.has("content") {
		s.content = p.list("content")
	}
	if p.has("sparse") {
		s.sparse = p.flag("sparse")
	}
	if p.has("disable") {
		s.disabled = p.flag("disable")
	}
}

// updateStorage is PUT /storage/{storage}.
func updateStorage(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, failure("update storage failed: %v", err)
	}
	k.setStorages(s.name)
	return storageName{s.name, s.kind}, nil
}

// deleteStorage is DELETE /storage/{storage}: the definition only, what is on it stays where it is.
func deleteStorage(k *call) (any, error) {
	s, err := k.pathStorage()
	if err != nil {
		return nil, failure("delete storage failed: %v", err)
	}
	delete(k.storages, s.name)
	return nil, nil
}
