package inventory

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"labctl/pkg/pve"
)

// Template is the VM that the lab's VMs are cloned from.
type Template struct {
	Ref    pve.VMRef
	Config Config
}

// TemplateError says that the template cannot be used, and what to do.
type TemplateError struct {
	Wanted  string   // as the spec names it
	Node    string   // where it was looked for
	Problem string   // why it cannot be used
	Seen    []string // the templates that the token can see
	Absent  bool     // no VM of the cluster has the wanted VMID: it is not that the token may not see it
	Err     error    // what PVE said, or nil

	elsewhere pve.VMRef // the template, when it is on another node
}

// Error names the template, the node and what there is instead.
func (e *TemplateError) Error() string {
	seen := "no template at all"
	if len(e.Seen) > 0 {
		seen = strings.Join(e.Seen, ", ")
	}
	text := fmt.Sprintf("template %s on node %s: %s; the token sees %s: correct template: or node: in the lab spec, "+
		"or grant VM.Clone and VM.Audit on /vms/<template>", e.Wanted, e.Node, e.Problem, seen)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns what PVE said.
func (e *TemplateError) Unwrap() error { return e.Err }

// FindTemplate looks up the template by VMID (when not 0) or name among the observed VMs and reads its configuration.
func (o Observed) FindTemplate(ctx context.Context, api API, node string, id pve.VMID, name string) (Template, error) {
	wanted := name
	if id != 0 {
		wanted = fmt.Sprint(id)
	}
	problem := TemplateError{Wanted: wanted, Node: node, Problem: notFound}
	for _, resource := range o.Resources {
		if resource.Template {
			problem.Seen = append(problem.Seen, fmt.Sprintf("%d (%s on %s)", resource.VMID, resource.Name, resource.Node))
		}
		if !mayBeTemplate(resource, id, name) || !problem.confirm(ctx, api, resource, id, name) {
			continue
		}
		return readTemplate(ctx, api, pve.VMRef{Node: node, ID: resource.VMID}, problem)
	}
	if id != 0 && problem.Problem == notFound {
		taken, err := api.VMIDTaken(ctx, id)
		if err != nil {
			return Template{}, fmt.Errorf("looking up VMID %d: %w", id, err)
		}
		problem.Absent = !taken
		if taken {
			problem.Problem = "it is not visible to this token"
		}
	}
	return Template{}, &problem
}

// notFound is the problem of a template that is not among the VMs that the token sees.
const notFound = "not found"

// mayBeTemplate says whether a VM of the list can be the wanted one. A VM that was just made has no name there.
func mayBeTemplate(resource pve.Resource, id pve.VMID, name string) bool {
	if id != 0 {
		return resource.VMID == id
	}
	return resource.Name == name || resource.Name == ""
}

// confirm says whether the VM is a template on the right node, or notes why it is not.
func (e *TemplateError) confirm(ctx context.Context, api API, resource pve.Resource, id pve.VMID, name string) bool {
	is, err := isTemplate(ctx, api, resource, name)
	switch {
	case err == nil && is && resource.Node == e.Node:
		return true
	case err == nil && is:
		e.Problem, e.elsewhere = "it is on node "+resource.Node, pve.VMRef{Node: resource.Node, ID: resource.VMID}
	case resource.Name != "" || id != 0:
		e.Problem, e.Err = fmt.Sprintf("VM %d is not a template", resource.VMID), err
	}
	return false
}

// isTemplate looks at a VM that the list does not call a template. Names and what is a template lag there by seconds, and
// a VM that was just made has no name (pve-api notes §70).
func isTemplate(ctx context.Context, api API, resource pve.Resource, name string) (bool, error) {
	if resource.Template && resource.Name != "" {
		return true, nil
	}
	config, err := api.VMConfig(ctx, pve.VMRef{Node: resource.Node, ID: resource.VMID})
	if err != nil {
		return false, err
	}
	return config.Template() && (name == "" || config.Name() == name), nil
}

func readTemplate(ctx context.Context, api API, ref pve.VMRef, problem TemplateError) (Template, error) {
	config, err := api.VMConfig(ctx, ref)
	if errors.Is(err, pve.ErrPermission) {
		problem.Problem, problem.Err = "its configuration cannot be read", err
		return Template{}, &problem
	}
	if err != nil {
		return Template{}, fmt.Errorf("reading template %d: %w", ref.ID, err)
	}
	return Template{Ref: ref, Config: config}, nil
}
