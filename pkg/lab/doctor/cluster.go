package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"labctl/pkg/lab/grants"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
)

// otherNode is what a further node of the lab has to make VMs from.
type otherNode struct {
	name        string
	templateErr error
	storageErr  error
	missing     answer[grants.List]
}

// furtherNodes are those of the lab but its first, which the other checks look at closely.
func (s *seen) furtherNodes() []string {
	return slices.DeleteFunc(slices.Clone(s.Lab.Nodes()), func(node string) bool { return node == s.Lab.Node })
}

// lookAtNodes asks about the template and the storages on every further node, side by side.
func (s *seen) lookAtNodes(ctx context.Context, observed inventory.Observed) {
	names := s.furtherNodes()
	s.elsewhere = make([]otherNode, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() {
			id, templateName := s.Lab.Template.On(name)
			template, err := observed.FindTemplateFor(ctx, s.API, name, pve.VMID(id), templateName)
			other := otherNode{name: name, templateErr: err, storageErr: inventory.CheckStorages(ctx, s.API, name, s.Lab.StoragesOn(name))}
			other.missing.value, other.missing.err = Needs(s.Lab, name, template, err, s.version.value.Major).Missing(ctx, s.API)
			s.elsewhere[i] = other
		})
	}
	wait.Wait()
}

// checkCluster looks at the further nodes of a lab that spreads its VMs.
func checkCluster(s *seen) (string, []Finding) {
	if len(s.furtherNodes()) == 0 {
		return "all VMs are on node " + s.Lab.Node, nil
	}
	if s.resources.err != nil {
		return "", unknown("the VMs that the token sees", s.resources.err)
	}
	var findings []Finding
	for _, other := range s.elsewhere {
		if !slices.ContainsFunc(s.nodes.value, func(node pve.Node) bool { return node.Name == other.name && node.Status != "offline" }) {
			findings = append(findings, problem(Error, "node %s of the lab is not there, or offline", other.name).advise("start it, or choose other nodes in the lab spec", "pvecm status"))
			continue
		}
		for _, err := range []error{other.templateErr, other.storageErr, other.missing.err} {
			if err != nil {
				findings = append(findings, Finding{Severity: Error, Problem: err.Error()})
			}
		}
		for _, lack := range other.missing.value.Without(s.missing.value).ByPath() {
			findings = append(findings, Finding{
				Severity: Error, Problem: lack.Lack(s.TokenID), Advice: "give it, as root on the server", Commands: lack.Remedy(s.TokenID),
			})
		}
	}
	return fmt.Sprintf("template and storages are also on %s", strings.Join(s.furtherNodes(), ", ")), findings
}
