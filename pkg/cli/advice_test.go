package cli

import "testing"

// An advised command can be pasted: it leads to the same lab, server and state as the one that was given.
func TestAdvisedCommandsCanBePasted(t *testing.T) {
	for _, test := range []struct {
		name string
		app  *app
		text string
		want string
	}{
		{"nothing to add", &app{}, "run `labctl up` first", "run `labctl up` first"},
		{"the lab", &app{lab: "lab.yaml"}, "`labctl up` or `labctl down`", "`labctl up lab.yaml` or `labctl down lab.yaml`"},
		{"a path for the shell", &app{lab: "my lab's.yaml"}, "`labctl down`", "`labctl down 'my lab'\\''s.yaml'`"},
		{"the sandbox", &app{lab: "demo", flags: flags{sandbox: "host"}}, "`labctl down`", "`labctl --sandbox down demo`"},
		{"the other sandbox", &app{lab: "demo", flags: flags{sandbox: "qemu"}}, "`labctl down`", "`labctl --sandbox=qemu down demo`"},
		{
			"configuration and state", &app{lab: "demo", given: []string{"--config", "c.yaml", "--state-dir", "my state"}}, "`labctl down`",
			"`labctl --config c.yaml --state-dir 'my state' down demo`",
		},
		{"gc takes no lab", &app{lab: "demo", flags: flags{sandbox: "host"}}, "`labctl gc --yes`, `labctl gc`", "`labctl --sandbox gc --yes`, `labctl --sandbox gc`"},
		{
			"another build ends a build", &app{lab: "demo", again: "template build --name 'a b'"}, "`labctl down` or `labctl gc`",
			"`labctl template build --name 'a b'` or `labctl gc`",
		},
		{
			"a person's word for gc", &app{again: "--sandbox gc --yes"}, "`labctl down --leave VOLUME`", "`labctl --sandbox gc --yes --leave VOLUME`",
		},
		{
			"the sandbox's own commands", &app{lab: "demo", flags: flags{sandbox: "host"}, given: []string{"--state-dir", "s"}},
			"`labctl sandbox stop`, `labctl sandbox status`", "`labctl --state-dir s sandbox stop`, `labctl --state-dir s sandbox status`",
		},
		{"flags follow the lab", &app{lab: "demo"}, "`labctl template build --node b`", "`labctl template build demo --node b`"},
		{"what is complete is left alone", &app{lab: "demo"}, "`labctl down other`, `up`", "`labctl down other`, `up`"},
	} {
		if got := test.app.spellOut(test.text); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
