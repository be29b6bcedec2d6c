package pvesim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// regrant changes the grants as they were changed between the recorded requests.
func (p *player) regrant(i int) {
	name := p.list[i].Name
	without := ""
	if p.number == "38" && name == "drop.clone" {
		for _, e := range p.list[i:] {
			if privilege, ok := strings.CutPrefix(e.Name, "without "); ok {
				without = privilege
				break
			}
		}
		p.setRoles(without)
	}
	if p.number == "32" && strings.HasSuffix(name, ".clone") {
		switch strings.TrimSuffix(name, ".clone") {
		case "store.allocspace-only":
			p.setRoles("Datastore.Audit")
		case "store.audit-only":
			p.setRoles("Datastore.AllocateSpace")
		case "sdn.use-only":
			p.setRoles("SDN.Audit")
		case "sdn.none":
			p.setRoles("SDN.Use")
		case "tmpl.clone-only":
			p.setRoles("VM.Audit9000")
		case "all.back":
			p.setRoles("")
		}
	}
}

// setRoles gives everything that file 30 gave, but one privilege.
func (p *player) setRoles(without string) {
	c := p.cluster
	builtin := builtinRoles(c.major)
	lacking := func(list []string) *role {
		return &role{privileges: slices.DeleteFunc(slices.Clone(list), func(have string) bool { return have == without })}
	}
	if p.full == nil {
		p.full = map[string][]string{
			"LabctlVM": c.access.roles["LabctlVM"].privileges, "LabctlStore": c.access.roles["LabctlStore"].privileges,
			"PVESDNUser": builtin["PVESDNUser"].privileges,
		}
	}
	for name, all := range p.full {
		c.access.roles[name] = lacking(all)
	}
	c.access.roles["PVETemplateUser"] = builtin["PVETemplateUser"]
	if without == "VM.Audit9000" {
		c.access.roles["PVETemplateUser"] = &role{privileges: []string{"VM.Clone"}}
	}
}

// followUp does what comes between this exchange and the next.
func (p *player) followUp(e *exchange) {
	p.cluster.enter()
	defer p.cluster.unlock()
	if p.number == "22" && e.Response != nil && e.Response.Status != nil && *e.Response.Status == http.StatusForbidden {
		p.grant(e)
	}
}

var missing = regexp.MustCompile(`^Permission check failed \((\S+), ([^)]+)\)$`)

// grant gives the probing user what it was refused, as the recording's table of privileges has it.
func (p *player) grant(e *exchange) {
	path, privilege := "", ""
	if m := missing.FindStringSubmatch(e.Response.Reason); m != nil {
		path, privilege = m[1], m[2]
	}
	p.give(path, privilege)
	for _, need := range p.unsaid(e.Name) {
		p.give(need[0], need[1])
	}
}

// give grants the first of several alternative privileges.
func (p *player) give(path, privilege string) {
	privilege, _, _ = strings.Cut(privilege, "|")
	if privilege == "" {
		return
	}
	name := "P_" + strings.ReplaceAll(privilege, ".", "_")
	p.cluster.access.roles[name] = &role{privileges: []string{privilege}}
	p.cluster.access.set(grant{path: path, who: "probe@pve", role: name})
}

// unsaid are the privileges of a step that no recorded refusal names.
func (p *player) unsaid(step string) [][2]string {
	said := ""
	for _, e := range p.list {
		if e.Name == step && e.Response != nil {
			said += e.Response.Reason
		}
	}
	var list [][2]string
	for _, need := range p.needs(step) {
		privilege, path, ok := strings.Cut(need, " on ")
		if ok && !strings.Contains(said, privilege+")") {
			list = append(list, [2]string{path, privilege})
		}
	}
	return list
}

// needs looks up which privileges a step asked for.
func (p *player) needs(step string) []string {
	raw, err := p.folder.Read("privileges-" + p.version + ".json")
	if err != nil {
		return nil
	}
	var table struct {
		Steps []struct {
			Step   string   `json:"step"`
			Needed []string `json:"needed_now"`
		} `json:"steps"`
	}
	if json.Unmarshal(raw, &table) != nil {
		return nil
	}
	for _, s := range table.Steps {
		if s.Step == step {
			return s.Needed
		}
	}
	return nil
}
