package pvesim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var letterFirst = regexp.MustCompile(`^[A-Za-z]`)

type poolRow struct {
	PoolID  string `json:"poolid"`
	Comment string `json:"comment,omitempty"`
	Members []any  `json:"members,omitempty"`
}

// poolDetail is one pool with its members, which may be none.
type poolDetail struct {
	PoolID  string `json:"poolid,omitempty"`
	Comment string `json:"comment,omitempty"`
	Members []any  `json:"members"`
}

func (k *call) poolDetail(p *pool) poolDetail {
	d := poolDetail{PoolID: p.name, Comment: p.comment, Members: []any{}}
	for _, id := range slices.Sorted(slices.Values(p.vms)) {
		if v, ok := k.vms[id]; ok {
			r := k.vmResource(v, false)
			r.Tags, r.Lock = "", "" // only in cluster/resources
			d.Members = append(d.Members, r)
		}
	}
	for _, r := range k.storageResources() {
		if s, ok := r.(storageResource); ok && slices.Contains(p.storages, s.Storage) {
			d.Members = append(d.Members, s)
		}
	}
	return d
}

func (k *call) poolNamed(name string) (*pool, error) {
	p, ok := k.pools[name]
	if !ok {
		return nil, failure("pool '%s' does not exist", name)
	}
	return p, nil
}

// listPools is GET /pools, or GET /pools?poolid=.
func listPools(k *call) (any, error) {
	if k.params.has("poolid") {
		name := k.params.text("poolid")
		if err := k.require("/pool/"+name, "Pool.Audit"); err != nil {
			return nil, err
		}
		p, err := k.poolNamed(name)
		if err != nil {
			return nil, err
		}
		return []poolDetail{k.poolDetail(p)}, nil
	}
	list := []poolRow{}
	for _, name := range sortedKeys(k.pools) {
		if k.holds("/pool/"+name, "Pool.Audit") {
			list = append(list, poolRow{PoolID: name, Comment: k.pools[name].comment})
		}
	}
	return list, nil
}

// getPool is GET /pools/{poolid}.
func getPool(k *call) (any, error) {
	p, err := k.poolNamed(k.params.text("poolid"))
	if err != nil {
		return nil, err
	}
	return k.poolDetail(p), nil
}

// createPool is POST /pools.
func createPool(k *call) (any, error) {
	name := k.params.text("poolid")
	if _, taken := k.pools[name]; taken {
		return nil, failure("create pool failed: pool '%s' already exists", name)
	}
	if leaf := name[strings.LastIndex(name, "/")+1:]; k.major >= 9 && !letterFirst.MatchString(leaf) {
		return nil, failure("create pool failed: pool name must start with a letter") // pve-manager 9.2.11, API2/Pool.pm:196-198
	}
	k.pools[name] = &pool{name: name, comment: k.params.text("comment")}
	return nil, nil
}

// updatePool is PUT /pools and PUT /pools/{poolid}.
func updatePool(k *call) (any, error) {
	name := k.params.text("poolid")
	p, ok := k.pools[name]
	if !ok {
		return nil, failure("update pools failed: pool '%s' does not exist", name)
	}
	remove := k.params.flag("delete")
	for _, text := range k.params.list("vms") {
		id, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		member := slices.Contains(p.vms, id)
		switch {
		case err == nil && remove && !member:
			return nil, failure("update pools failed: VM %d is not a pool member", id)
		case remove:
			p.remove(id)
		case member:
			return nil, failure("update pools failed: VM %d is already a pool member", id)
		default:
			if err := k.moveToPool(p, id); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range k.params.list("storage") {
		p.storages = slices.DeleteFunc(p.storages, func(have string) bool { return have == s })
		if !remove {
			p.storages = append(p.storages, s)
		}
	}
	if k.params.has("comment") {
		p.comment = k.params.text("comment")
	}
	return nil, nil
}

func (k *call) moveToPool(p *pool, id int) error {
	if err := k.require(vmPath(id), "Permissions.Modify"); err != nil && !k.holds(vmPath(id), "VM.Allocate") {
		return err
	}
	if old := k.poolOf(vmPath(id)); old != nil {
		if !k.params.flag("allow-move") {
			return failure("update pools failed: VM %d belongs already to pool '%s' and 'allow-move' is not set", id, old.name)
		}
		old.remove(id)
	}
	p.add(id)
	return nil
}

// deletePool is DELETE /pools and DELETE /pools/{poolid}.
func deletePool(k *call) (any, error) {
	name := k.params.text("poolid")
	p, ok := k.pools[name]
	if !ok {
		return nil, failure("delete pool failed: pool '%s' does not exist", name)
	}
	for _, id := range p.vms {
		if _, exists := k.vms[id]; exists {
			return nil, failure("delete pool failed: pool '%s' is not empty (contains VM %d)", name, id)
		}
	}
	for _, s := range p.storages {
		return nil, failure("delete pool failed: pool '%s' is not empty (contains storage '%s')", name, s)
	}
	delete(k.pools, name)
	return nil, nil
}
