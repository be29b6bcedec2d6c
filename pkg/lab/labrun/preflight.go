package labrun

import (
	"context"
	"errors"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
)

// nodeLook is what a node of the lab has to make VMs from.
type nodeLook struct {
	node     string
	template inventory.Template
	err      error // why there is no template
}

// lookForTemplates finds the template for every node of the lab. That one was not found is for the preflight to tell.
func (r *Run) lookForTemplates(ctx context.Context, observed inventory.Observed) ([]nodeLook, error) {
	var looks []nodeLook
	for _, node := range r.Lab.Nodes() {
		vmid, name := r.Lab.Template.On(node)
		template, err := observed.FindTemplateFor(ctx, r.Server.API, node, pve.VMID(vmid), name)
		var problem *inventory.TemplateError
		if err != nil && !errors.As(err, &problem) {
			return nil, err
		}
		looks = append(looks, nodeLook{node, template, err})
	}
	return looks, nil
}

// preflight refuses a lab before anything is changed, in the doctor's words: when the token lacks a privilege that it
// would miss half-way, or without which it could not see what it left; and when a storage is missing or not set to what
// the spec asks for. A template or storage that was not found may be one that the token must not see, so missing
// privileges are told first.
func (r *Run) preflight(ctx context.Context, looks []nodeLook) error {
	api := r.Server.API
	version, err := api.Version(ctx)
	if err != nil {
		return err
	}
	var rights, templates, storages []error
	for _, look := range looks {
		storages = append(storages, inventory.CheckStorages(ctx, api, look.node, r.Lab.StoragesOn(look.node)))
		rights = append(rights, doctor.Needs(r.Lab, look.node, look.template, look.err, version.Major).Check(ctx, api, r.Server.TokenID))
		templates = append(templates, look.err)
	}
	if err := errors.Join(errors.Join(rights...), errors.Join(templates...), errors.Join(storages...)); err != nil {
		return err
	}
	return r.checkStorageSettings(ctx)
}

// checkStorageSettings asks for the storages' settings only when the lab wants some.
func (r *Run) checkStorageSettings(ctx context.Context) error {
	wanted := false
	for _, vm := range r.Lab.VMs {
		wanted = wanted || vm.DataDisk.Sparse != nil || vm.DataDisk.BlockSize != 0
	}
	if !wanted {
		return nil
	}
	configs, err := r.Server.API.StorageConfigs(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, finding := range doctor.Misfits(r.Lab, configs) {
		problems = append(problems, errors.New(finding.Text()))
	}
	return errors.Join(problems...)
}
