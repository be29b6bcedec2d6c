package labspec

import (
	"slices"

	"labctl/pkg/fio"
)

// Parse reads the lab file with the given name and contents. It returns the lab with all defaults applied, or an
// [Errors] with all problems of the file.
func Parse(name string, data []byte) (*Lab, error) {
	d := &decoder{file: name, places: map[string]position{"": start}, bad: map[string]bool{}}
	root, problems := parseYAML(data)
	for _, p := range problems {
		d.failAt(p.at, "", p.problem, p.remedy)
	}
	if root == nil {
		return nil, d.problems
	}
	d.places[""] = root.at
	var doc document
	fields := labFields(&doc)
	fields.decode(d, root, "")
	if root.kind == kindMapping && len(problems) == 0 { // else what seems to be missing may stand in a refused part
		fields.complete(d, "", "")
		adapt(&doc.lab, d.mentions)
		place(&doc.lab)
		validate(&doc.lab, d.report)
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &doc.lab, nil
}

// adapt applies the defaults that depend on other values; mentions tells where the file has spoken itself.
func adapt(l *Lab, mentions func(path string) bool) {
	if l.Suite.Name == "" {
		l.Suite.Name = l.Name
	}
	for i := range l.Suite.Workloads {
		w := &l.Suite.Workloads[i]
		if _, named := w.Job.Get("name"); !named {
			w.Job.Options = slices.Insert(w.Job.Options, 0, fio.Option{Name: "name", Value: w.Name, HasValue: true})
		}
	}
	for i := range l.VMs {
		disk := &l.VMs[i].DataDisk
		if !disk.Bus.HasIOThread() && !mentions(vmPath(i, "dataDisk.iothread")) {
			disk.IOThread = false
		}
		if !disk.Bus.HasSSD() && !mentions(vmPath(i, "dataDisk.ssd")) {
			disk.SSD = false
		}
	}
}
