package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/grants"
	"labctl/pkg/lab/inventory"
	"labctl/pkg/labspec"
)

// defaultTokenID is the token that the printed commands make.
const defaultTokenID = "labctl@pve!run"

// printGrants prints the commands for root. Without --print-grants it remembers the server, so that the next `init` need not
// ask again.
func (s *setup) printGrants(ctx context.Context) error {
	if s.tokenID == "" || s.tokenID == "-" {
		s.tokenID = defaultTokenID
	}
	major, err := s.major(ctx)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		to *string
		q  question
	}{
		{&s.flags.pool, question{"Pool for the lab's VMs", "--pool", "labctl"}},
		{&s.flags.template, question{"VMID of the template to clone", "--template", "9000"}},
		{&s.flags.storage, question{"Storage for the VMs' disks", "--storage", "local-zfs"}},
		{&s.flags.bridge, question{"Bridge for the VMs", "--bridge", "vmbr0"}},
	} {
		if *one.to == "" {
			if *one.to, err = s.ask.ask(ctx, one.q); err != nil {
				return err
			}
		}
	}
	if !grants.MakesPool(s.flags.pool, major) {
		return usagef("--pool %s: Proxmox VE %d makes only pools whose name begins with a letter: choose another name", s.flags.pool, major)
	}
	list, err := s.grants(ctx, major)
	if err != nil {
		return err
	}
	commands := list.Setup(s.tokenID)
	if s.isComplete() && !s.flags.force { // the commands are wanted again, or for another lab
		return s.showCommands(major, commands)
	}
	if !s.flags.printGrants {
		if err := s.writeConfig(false); err != nil {
			return err
		}
	}
	if err := s.showCommands(major, commands); err != nil {
		return err
	}
	s.say("%s", s.goOn())
	return nil
}

// grants are those of the lab, and of the build of its template if that is wanted.
func (s *setup) grants(ctx context.Context, major int) (grants.List, error) {
	lab, err := s.labForGrants()
	if err != nil {
		return nil, err
	}
	list := grants.Of(lab, inventory.Template{}, major).List()
	if s.flags.imageStorage == "" {
		return list, nil
	}
	if s.flags.node == "" {
		if s.flags.node, err = s.ask.ask(ctx, question{"Node that fetches the template's image", "--node", "pve"}); err != nil {
			return nil, err
		}
	}
	return list.With(grants.Build{
		Node: s.flags.node, Pool: s.flags.pool, Storage: s.flags.storage, ImageStorage: s.flags.imageStorage, Bridge: s.flags.bridge,
	}.List()), nil
}

// labForGrants is a lab with what decides on its privileges.
func (s *setup) labForGrants() (*labspec.Lab, error) {
	choices := labChoices{Node: "pve", Pool: s.flags.pool, Storage: s.flags.storage, Bridge: s.flags.bridge, Address: "dhcp"}
	var err error
	if choices.Template, err = vmidOf(s.flags.template); err != nil {
		return nil, err
	}
	choices.avoid(nil)
	return labspec.Parse("first lab", []byte(choices.text()))
}

// major is the server's, which decides on the names of privileges.
func (s *setup) major(ctx context.Context) (int, error) {
	major := s.flags.major
	if major == 0 {
		major = s.greeting.Major
	}
	if major == 0 {
		answer, err := s.ask.ask(ctx, question{text: "Major version of Proxmox VE on the server (8 or 9)", flag: "--pve"})
		if err != nil {
			return 0, err
		}
		if major, err = strconv.Atoi(answer); err != nil {
			return 0, usagef("%q is not a version: give --pve 8 or --pve 9", answer)
		}
	}
	if major < 8 {
		return 0, usagef("Proxmox VE %d is too old: labctl needs 8 or 9", major)
	}
	return major, nil
}

func (s *setup) showCommands(major int, commands []string) error {
	if s.app.json() {
		path := s.path
		if s.flags.printGrants && !s.isComplete() {
			path = ""
		}
		return s.report(initOutcome{
			Config: path, URL: s.greeting.URL, Version: s.greeting.Version, Fingerprint: s.pinned, Commands: commands,
		})
	}
	return s.app.print(func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "# as root on the server (Proxmox VE %d)\n# Every line may be run again. What is missing is first said not to exist, and then made.\n%s\n", major, strings.Join(commands, "\n"))
		return err
	})
}

// goOn says how to continue once the token exists.
func (s *setup) goOn() string {
	known, next := "the server's address and certificate are in "+s.path+"; ", "labctl "+s.app.spelled("init", "")
	if s.flags.printGrants {
		known, next = "", next+" --url "+shell.Quote(s.greeting.URL)
		if s.pinned != "" {
			next += " --fingerprint " + s.pinned
		}
	}
	for _, flag := range []struct{ name, value string }{
		{"--token-id", s.tokenID}, {"--pool", s.flags.pool}, {"--template", s.flags.template}, {"--storage", s.flags.storage}, {"--bridge", s.flags.bridge},
	} {
		next += " " + flag.name + " " + shell.Quote(flag.value)
	}
	return known + "run the commands above as root on the server, note the secret that it shows when it makes the token, and go on with\n  " + next
}
