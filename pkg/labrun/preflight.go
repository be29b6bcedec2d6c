package labrun

import (
	"context"
	"errors"

	"labctl/pkg/doctor"
	"labctl/pkg/inventory"
)

// preflight refuses a lab before anything is changed, in the doctor's words: when the token lacks a privilege that it
// would miss half-way, or without which it could not see what it left; and when a storage is missing or not set to what
// the spec asks for. A template or storage that was not found may be one that the token must not see, so missing
// privileges are told first.
func (r *Run) preflight(ctx context.Context, template inventory.Template, templateErr error) error {
	api := r.Server.API
	version, err := api.Version(ctx)
	if err != nil {
		return err
	}
	storageErr := inventory.CheckStorages(ctx, api, r.Lab.Node, r.Lab.Storages())
	err = doctor.Needs(r.Lab, template, templateErr, version.Major).Check(ctx, api, r.Server.TokenID)
	if err := errors.Join(err, templateErr, storageErr); err != nil {
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
