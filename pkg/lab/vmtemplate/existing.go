package vmtemplate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
)

// firstVMID is where free VMIDs for templates are looked for: templates are commonly numbered from here.
const firstVMID pve.VMID = 9000

// lastVMID ends the search.
const lastVMID pve.VMID = 9999

// existing looks for what has the wanted name or VMID. It returns the finished template of the same image, if there is
// one; anything else in the way is an error. The VMID is that of a new template.
func (b *Builder) existing(ctx context.Context, wanted Wanted, from source) (found *Result, id pve.VMID, err error) {
	resources, err := b.API.Resources(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("listing VMs: %w", err)
	}
	for _, resource := range resources {
		// The list's names lag by seconds, and a VM that was just made has none there (pve-api notes §70).
		mayBe := resource.Node == wanted.Node && (resource.Name == wanted.Name || resource.Name == "" || resource.Pool == wanted.Pool)
		if resource.VMID != wanted.VMID && (wanted.VMID != 0 || !mayBe) {
			continue
		}
		config, err := b.API.VMConfig(ctx, pve.VMRef{Node: resource.Node, ID: resource.VMID})
		switch {
		case wanted.VMID == 0 && (err != nil || config.Name() != wanted.Name || !config.Template()):
			continue
		case errors.Is(err, pve.ErrPermission):
			return nil, 0, fmt.Errorf("VMID %d is taken, and its configuration cannot be read: choose another with --vmid: %w", resource.VMID, err)
		case err != nil:
			return nil, 0, fmt.Errorf("reading VM %d: %w", resource.VMID, err)
		}
		found, err := judge(wanted, from, resource, config)
		return found, 0, err
	}
	id, err = b.freeVMID(ctx, wanted, resources)
	return nil, id, err
}

// judge says what a VM in the way is.
func judge(wanted Wanted, from source, resource pve.Resource, config pve.VMConfig) (*Result, error) {
	note, ours := inventory.ParseTemplateNote(config.Description())
	switch {
	case !config.Template() || !ours:
		return nil, fmt.Errorf("VM %d (%s) on node %s is there and was not built by labctl: choose another VMID with --vmid and another name with --name, "+
			"or use it as it is", resource.VMID, config.Name(), resource.Node)
	case resource.Node != wanted.Node:
		return nil, fmt.Errorf("template %d is on node %s: choose another VMID with --vmid", resource.VMID, resource.Node)
	case note.ImageSHA256 != from.sha256:
		return nil, fmt.Errorf("template %d (%s) was built on %s from another image (checksum %s, now wanted is %s): "+
			"build the new one beside it with another --vmid and --name, or remove it first: `qm destroy %d --purge 1` as root on %s",
			resource.VMID, config.Name(), note.Built.Format("2006-01-02"), note.ImageSHA256, from.sha256, resource.VMID, resource.Node)
	}
	return &Result{Node: resource.Node, VMID: resource.VMID, Name: config.Name(), Image: from.name, SHA256: note.ImageSHA256}, nil
}

// freeVMID is the wanted VMID, if it is free, or the first free one for templates.
func (b *Builder) freeVMID(ctx context.Context, wanted Wanted, resources []pve.Resource) (pve.VMID, error) {
	if wanted.VMID != 0 {
		taken, err := b.API.VMIDTaken(ctx, wanted.VMID)
		if err == nil && taken {
			err = fmt.Errorf("VMID %d is taken by a VM that this token may not see: choose another with --vmid", wanted.VMID)
		}
		return wanted.VMID, err
	}
	for id := firstVMID; id <= lastVMID; id++ {
		if slices.ContainsFunc(resources, func(r pve.Resource) bool { return r.VMID == id }) {
			continue
		}
		taken, err := b.API.VMIDTaken(ctx, id)
		if err != nil {
			return 0, err
		}
		if !taken {
			return id, nil
		}
	}
	return 0, fmt.Errorf("no VMID is free from %d to %d: choose one with --vmid", firstVMID, lastVMID)
}
