package plan

import (
	"strings"
	"testing"

	"labctl/pkg/lab/inventory"
	"labctl/pkg/pve"
)

// VMs are made on their own nodes, each from the template of that node.
func TestPlanOverSeveralNodes(t *testing.T) {
	lab := blogLab(t)
	lab.VMs[1].Node, lab.VMs[2].Node = "pve2", "pve3"
	templates := template(nil)
	other := templates["pve"]
	other.Ref = pve.VMRef{Node: "pve2", ID: 9002}
	templates["pve2"] = other
	templates["pve3"] = inventory.Template{Ref: pve.VMRef{Node: "pve", ID: 9000}, Config: other.Config} // on shared storage
	plan, err := Up(Wanted{Lab: lab, Templates: templates, VMIDs: []int{9100, 9101, 9102}, IsReady: always(false)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"pve: linked clone of template 9000 as blog-2gb in pool labctl",
		"pve2: linked clone of template 9002 as blog-4gb in pool labctl",
		"pve3: linked clone of template 9000 as blog-8gb in pool labctl from node pve onto pve3",
	} {
		if got := plan.Sequences[i].Node + ": " + plan.Sequences[i].Steps[0].Detail(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	delete(templates, "pve3")
	if _, err := Up(Wanted{Lab: lab, Templates: templates, VMIDs: []int{9100, 9101, 9102}, IsReady: always(false)}); err == nil || !strings.Contains(err.Error(), "no template for node pve3") {
		t.Errorf("without a template for pve3: %v", err)
	}
}
