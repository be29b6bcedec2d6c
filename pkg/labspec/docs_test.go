package labspec

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"labctl/pkg/fio"
)

const reference = "../../docs/lab-spec.md"

// tables are those of the reference, by the word in their markers.
func tables() map[string]object {
	doc := new(document)
	vm := vmFields(new(VM))
	return map[string]object{
		"lab": labFields(doc), "template": templateFields(new(Template)), "replicas": replicaFields(new(Replica)), "image": imageFields(new(Image)), "vmids": vmidFields(new(VMIDRange)),
		"network": networkFields(new(Network)), "cloudInit": cloudInitFields(new(CloudInit)), "vms": vm, "osDisk": osDiskFields(new(OSDisk)),
		"dataDisk": dataDiskFields(new(DataDisk)), "host": hostFields(new(Host)), "suite": suiteFields(new(Suite)),
		"workloads": workloadFields(new(Workload)),
	}
}

// markdown renders a table of keys.
func markdown(o object) string {
	var b strings.Builder
	b.WriteString("\n| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, f := range o {
		fallback := "–"
		switch {
		case f.required:
			fallback = "**required**"
		case f.fallback != "":
			fallback = "`" + f.fallback + "`"
		}
		b.WriteString("| `" + f.key + "` | " + strings.ReplaceAll(kindOf(f), "|", `\|`) + " | " + fallback + " | " + strings.ReplaceAll(f.doc, "|", `\|`) + " |\n")
	}
	return b.String()
}

// kindOf describes the values of a key in a few words.
func kindOf(f field) string {
	s := f.value.shape()
	code := func(words []string) string { return "`" + strings.Join(words, "`, `") + "`" }
	switch s.Type[0] {
	case "object":
		return "mapping"
	case "array":
		if s.Items.Type[0] == "string" {
			return "list, such as " + code(f.examples)
		}
		return "list of mappings"
	case "boolean":
		return "`true`, `false`"
	case "integer":
		return "number, such as " + code(f.examples)
	}
	if s.Enum != nil {
		return code(s.Enum)
	}
	return "such as " + code(f.examples)
}

// TestReferenceTables holds the tables of the reference to those of the reader; -update writes them.
func TestReferenceTables(t *testing.T) {
	text := read(t, reference)
	marked := regexp.MustCompile(`(?s)(<!-- keys of (\w+) -->\n)(.*?)(<!-- end -->\n)`)
	all := tables()
	want := marked.ReplaceAllStringFunc(text, func(found string) string {
		parts := marked.FindStringSubmatch(found)
		o, ok := all[parts[2]]
		if !ok {
			t.Errorf("there are no keys of %s", parts[2])
		}
		delete(all, parts[2])
		return parts[1] + markdown(o) + "\n" + parts[4]
	})
	for name := range all {
		t.Errorf("%s has no table of the keys of %s", reference, name)
	}
	golden(t, reference, want)
}

// TestReferenceExamples parses every lab in the reference.
func TestReferenceExamples(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, reference), -1)
	if len(examples) < 2 {
		t.Fatalf("found %d examples", len(examples))
	}
	for _, example := range examples {
		if _, err := Parse(reference, []byte(example[1])); err != nil {
			t.Errorf("%s\n%v", example[1], err)
		}
		if found := loadSchema(t).validate(t, example[1]); found != nil {
			t.Errorf("the example violates the schema: %q", found)
		}
	}
}

// TestReferenceMessages finds the messages that the reference shows among those that the reader gives.
func TestReferenceMessages(t *testing.T) {
	real := read(t, "testdata/ten-mistakes.golden")
	shown := regexp.MustCompile(`(?m)^ten-mistakes\.yaml:.*\n`).FindAllString(read(t, reference), -1)
	if len(shown) == 0 {
		t.Error("no message is shown")
	}
	for _, line := range shown {
		if !strings.Contains(real, line) {
			t.Errorf("the reader does not say %q", line)
		}
	}
}

// TestReferenceOptions holds the two tables of fio's options to the rules; -update writes them.
func TestReferenceOptions(t *testing.T) {
	text := read(t, reference)
	for mark, table := range map[string]string{"options of fio": allowedTable(), "refused options of fio": refusedTable()} {
		begin, end := "<!-- "+mark+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no table marked %q", reference, mark)
		}
		text = before + begin + table + "\n" + end + after
	}
	golden(t, reference, text)
}

func allowedTable() string {
	var b strings.Builder
	b.WriteString("\n| option | takes | fio |\n|---|---|---|\n")
	for _, rule := range fio.OptionRules() {
		if rule.Refused() != "" {
			continue
		}
		name := "`" + rule.Name + "`"
		if rule.Alias != "" {
			name += ", `" + rule.Alias + "`"
		}
		b.WriteString("| " + name + " | " + rule.Values() + " | " + versions(rule) + " |\n")
	}
	return b.String()
}

// versions names the fio that an option came with or went with.
func versions(rule fio.OptionRule) string {
	switch {
	case rule.Since != "":
		return "from " + rule.Since
	case rule.Until != "":
		return "to " + rule.Until
	}
	return "all"
}

func refusedTable() string {
	var b strings.Builder
	b.WriteString("\n| options | why |\n|---|---|\n")
	byReason := map[string][]string{}
	for _, rule := range fio.OptionRules() {
		if reason := rule.Refused(); reason != "" {
			byReason[reason] = append(byReason[reason], "`"+rule.Name+"`")
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(byReason)) {
		b.WriteString("| " + strings.Join(byReason[reason], " ") + " | " + reason + " |\n")
	}
	return b.String()
}
