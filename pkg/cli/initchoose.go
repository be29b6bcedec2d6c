package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"labctl/pkg/internal/atomicfile"
	"labctl/pkg/internal/shell"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
)

// choose lets the user choose among what the server has, and writes the files.
func (s *setup) choose(ctx context.Context) error {
	client, err := pve.New(pve.Config{
		URL: s.greeting.URL, TokenID: s.tokenID, TokenSecret: s.secret, Fingerprint: s.pinned, Logger: s.app.log,
	})
	if err != nil {
		return &usageError{err}
	}
	version, err := client.Version(ctx)
	if err != nil {
		return err
	}
	s.say("%s takes the token; it is Proxmox VE %s", s.greeting.URL, version.Version)
	picked, err := s.pick(ctx, client)
	if err != nil {
		return err
	}
	lab := picked.text()
	if _, err := labspec.Parse(s.flags.labFile, []byte(lab)); err != nil {
		return usagef("the lab that the answers make is wrong: %w", err)
	}
	if err := s.writeConfig(true); err != nil {
		return err
	}
	written, err := s.writeLab(lab)
	if err != nil {
		return err
	}
	s.say("the configuration is in %s", s.path)
	if written {
		s.say("a first lab is in %s", s.flags.labFile)
	} else {
		s.say("%s exists and was left alone (--force overwrites it)", s.flags.labFile)
	}
	if s.inEnvironment() {
		s.say("the token's secret is not in it: keep LABCTL_PVE_TOKEN_SECRET set for every labctl, or run init again with --secret-file")
	}
	lab = " " + shell.Quote(s.flags.labFile)
	s.say("next: `labctl %s`, and when it is content `labctl %s`", s.app.spelled("doctor", lab), s.app.spelled("run", lab))
	return s.report(initOutcome{Config: s.path, Lab: s.flags.labFile, URL: s.greeting.URL, Version: version.Version, Fingerprint: s.pinned})
}

// pick asks for everything that a lab needs of the server.
func (s *setup) pick(ctx context.Context, client *pve.Client) (picked labChoices, err error) {
	nodes, err := client.Nodes(ctx)
	if err != nil {
		return picked, err
	}
	if picked.Node, err = s.ask.choose(ctx, question{text: "Node", flag: "--node", fallback: s.greeting.Node}, s.flags.node, nodeChoices(nodes)); err != nil {
		return picked, err
	}
	pools, err := client.Pools(ctx)
	if err != nil {
		return picked, err
	}
	if picked.Pool, err = s.ask.choose(ctx, question{text: "Pool", flag: "--pool", fallback: "labctl"}, s.flags.pool, poolChoices(pools)); err != nil {
		return picked, err
	}
	storages, err := client.Storages(ctx, picked.Node)
	if err != nil {
		return picked, err
	}
	if picked.Storage, err = s.ask.choose(ctx, question{text: "Storage", flag: "--storage"}, s.flags.storage, storageChoices(storages)); err != nil {
		return picked, err
	}
	if err = s.pickTemplate(ctx, client, &picked); err != nil {
		return picked, err
	}
	return picked, s.pickNetwork(ctx, client, &picked)
}

func (s *setup) pickTemplate(ctx context.Context, client *pve.Client, picked *labChoices) error {
	resources, err := client.Resources(ctx)
	if err != nil {
		return err
	}
	var templates []choice
	for _, resource := range resources {
		if resource.Template && resource.Type == "qemu" && resource.Node == picked.Node {
			templates = append(templates, choice{resource.VMID.String(), "(" + resource.Name + ")"})
		}
	}
	id, err := s.ask.choose(ctx, question{text: "Template", flag: "--template"}, s.flags.template, templates)
	if err != nil {
		return err
	}
	if picked.Template, err = vmidOf(id); err != nil {
		return err
	}
	picked.avoid(resources)
	return nil
}

// pickNetwork asks for bridge and addresses, and whether the host is measured too.
func (s *setup) pickNetwork(ctx context.Context, client *pve.Client, picked *labChoices) error {
	bridges, err := client.Bridges(ctx, picked.Node)
	if err != nil {
		return err
	}
	var names []choice
	for _, bridge := range bridges {
		names = append(names, choice{bridge.Name, bridge.CIDR})
	}
	if picked.Bridge, err = s.ask.choose(ctx, question{text: "Bridge", flag: "--bridge", fallback: "vmbr0"}, s.flags.bridge, names); err != nil {
		return err
	}
	for _, one := range []struct {
		to    *string
		given string
		q     question
	}{
		{&picked.Address, s.flags.address, question{"Addresses of the VMs (dhcp, or a range such as 192.168.7.{101..109}/24)", "--address", "dhcp"}},
		{&picked.HostSSH, s.flags.hostSSH, question{"SSH login to measure the host too, such as root@HOST (- for VMs only)", "--host-ssh", "-"}},
	} {
		if *one.to = one.given; one.given == "" {
			if *one.to, err = s.ask.ask(ctx, one.q); err != nil {
				return err
			}
		}
	}
	picked.Gateway = s.gateway(picked.Address, bridges, picked.Bridge)
	if picked.HostSSH == "-" {
		picked.HostSSH = ""
		return nil
	}
	if picked.HostDirectory = s.flags.hostDirectory; picked.HostDirectory == "" {
		picked.HostDirectory, err = s.ask.ask(ctx, question{text: "Directory on the host to measure in, such as /tank/labctl", flag: "--host-directory"})
	}
	return err
}

// gateway is the flag's, or the node's router when the VMs are in its network.
func (s *setup) gateway(address string, bridges []pve.Bridge, name string) string {
	if s.flags.gateway != "" {
		return s.flags.gateway
	}
	pattern, err := labspec.ParseAddressPattern(address)
	if err != nil || pattern.IsDHCP() {
		return ""
	}
	at := slices.IndexFunc(bridges, func(bridge pve.Bridge) bool { return bridge.Name == name })
	if at < 0 {
		return ""
	}
	return gatewayIn(pattern, bridges[at].Gateway)
}

func nodeChoices(nodes []pve.Node) []choice {
	var choices []choice
	for _, node := range nodes {
		if node.Status != "offline" {
			choices = append(choices, choice{name: node.Name})
		}
	}
	return choices
}

func poolChoices(pools []pve.Pool) []choice {
	var choices []choice
	for _, pool := range pools {
		choices = append(choices, choice{pool.ID, pool.Comment})
	}
	return choices
}

// storageChoices are those that take VM disks, ZFS first: that is what labctl is about.
func storageChoices(storages []pve.Storage) []choice {
	var choices []choice
	for _, zfs := range []bool{true, false} {
		for _, storage := range storages {
			if (storage.Type == "zfspool") == zfs && storage.Active && storage.Enabled && slices.Contains(storage.Content, "images") {
				choices = append(choices, choice{storage.Name, fmt.Sprintf("(%s, %s free)", storage.Type, labspec.Size(storage.AvailBytes/int64(labspec.GiB)*int64(labspec.GiB)))})
			}
		}
	}
	return choices
}

// writeLab writes the first lab unless there is a file of that name.
func (s *setup) writeLab(text string) (bool, error) {
	_, err := os.Stat(s.flags.labFile)
	if err == nil && !s.flags.force {
		return false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("looking for the lab file: %w", err)
	}
	return true, atomicfile.Write(s.flags.labFile, []byte(text), 0o644)
}

// writeConfig writes the configuration, readable by its owner alone. Keys that init knows nothing of are kept.
func (s *setup) writeConfig(complete bool) error {
	values := map[string]string{}
	for _, key := range configKeys() {
		if s.app.config.InConfig(key) {
			values[key] = s.app.config.GetString(key)
		}
	}
	values[keyURL], values[keyFingerprint] = s.greeting.URL, s.pinned
	if complete {
		values[keyTokenID] = s.tokenID
		s.storeSecret(values)
	}
	for key, flag := range map[string]string{keySSHKeyFile: s.flags.sshKey, keySSHProxy: s.flags.sshProxy} {
		if flag != "" {
			values[key] = flag
		}
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return fmt.Errorf("making the directory of the configuration: %w", err)
	}
	return atomicfile.Write(s.path, []byte(configText(values)), 0o600)
}

// storeSecret remembers where the secret is: in the file that was named, or here when it was typed. One that came from
// the environment stays there.
func (s *setup) storeSecret(values map[string]string) {
	switch {
	case s.flags.secretFile != "":
		delete(values, keyTokenSecret)
		if absolute, err := filepath.Abs(s.flags.secretFile); err == nil {
			values[keyTokenSecretFile] = absolute
		}
	case s.inEnvironment():
		delete(values, keyTokenSecret)
	case s.keep:
		delete(values, keyTokenSecretFile)
		values[keyTokenSecret] = string(s.secret)
	}
}

// inEnvironment says that the secret came from the environment, and that nothing of it was written down.
func (s *setup) inEnvironment() bool {
	return s.flags.secretFile == "" && !s.keep && os.Getenv(variable(keyTokenSecret)) != ""
}

// configText writes the keys as YAML, section by section.
func configText(values map[string]string) string {
	var text strings.Builder
	text.WriteString("# Written by labctl init.\n")
	section := ""
	for _, key := range configKeys() {
		if values[key] == "" {
			continue
		}
		group, name, _ := strings.Cut(key, ".")
		if group != section {
			section = group
			text.WriteString(group + ":\n")
		}
		fmt.Fprintf(&text, "  %s: %q\n", name, values[key])
	}
	return text.String()
}
