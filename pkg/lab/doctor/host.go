package doctor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"labctl/pkg/internal/shell"
	"labctl/pkg/labspec"
	"labctl/pkg/remote"
)

func hostPreconditions() []precondition {
	return []precondition{
		{id: "host-login", asks: "the host that the lab measures takes the key of ssh.key_file, and has the host key that is known of it", find: hostLogin},
		{id: "host-directory", asks: "its directory exists, and the account may write there", find: hostDirectory},
		{id: "host-fio", asks: "it has fio", find: hostFio},
		{id: "host-room", asks: "the directory has room for the largest file of the suite", find: hostRoom},
	}
}

// hostFacts are those of a host that could be logged in to; nil when there is none.
func (f *Facts) hostFacts() map[string]string {
	if f.Lab.Host == nil || f.HostFacts == nil || f.host.err != nil {
		return nil
	}
	return f.host.value
}

func hostDetail(f *Facts) string {
	facts := f.hostFacts()
	if facts == nil {
		return "the lab measures no host"
	}
	return fmt.Sprintf("%s with %s, %s on %s", f.Lab.Host.Name, facts["fio_version"], f.Lab.Host.Directory, facts["directory_fs"])
}

// hostLogin says what to do for each way in which a login can fail.
func hostLogin(f *Facts, _ *nodeFacts) []Finding {
	if f.Lab.Host == nil || f.host.err == nil {
		return nil
	}
	host, err := *f.Lab.Host, f.host.err
	finding := problem(Error, "the host %s cannot be logged in to: %v", host.Name, err)
	where := shell.New(host.SSH.User + "@" + host.SSH.Host)
	if host.SSH.Port != 22 {
		where = shell.New("-p", strconv.Itoa(host.SSH.Port)).Add(where)
	}
	key := shell.Command{}
	if f.KeyFile != "" {
		key = shell.New("-i", f.KeyFile)
	}
	var hostKey *remote.HostKeyError
	var auth *remote.AuthError
	switch {
	case errors.As(err, &hostKey):
		finding = finding.advise("log in once by hand and compare the fingerprint with the host's own, which the second command shows there",
			shell.New("ssh").Add(where), shell.New("ssh-keygen", "-l", "-f", "/etc/ssh/ssh_host_ed25519_key.pub"))
	case errors.As(err, &auth):
		finding = finding.advise("let the key of ssh.key_file in", shell.New("ssh-copy-id").Add(key).Add(where))
	default:
		finding = finding.advise("correct host.ssh in the lab file or ssh.key_file in the configuration, or remove host: to measure VMs only", shell.New("ssh").Add(where))
	}
	return []Finding{finding}
}

func hostDirectory(f *Facts, _ *nodeFacts) []Finding {
	facts, host := f.hostFacts(), f.Lab.Host
	if facts == nil || facts["directory"] != "" {
		return nil
	}
	commands := []shell.Command{shell.New("zfs", "create", "-o", "mountpoint="+host.Directory, strings.Trim(host.Directory, "/")).Or(shell.New("mkdir", "-p", host.Directory))}
	if host.SSH.User != "root" {
		commands = append(commands, shell.New("chown", host.SSH.User, host.Directory))
	}
	return []Finding{problem(Error, "the host %s has no directory %s that %s may write to", host.Name, host.Directory, host.SSH.User).
		advise("make it, best as a dataset of its own on the pool behind the storage; as root on the host", commands...)}
}

func hostFio(f *Facts, _ *nodeFacts) []Finding {
	facts := f.hostFacts()
	if facts == nil || facts["fio_version"] != "" {
		return nil
	}
	return []Finding{problem(Error, "the host %s has no fio", f.Lab.Host.Name).advise("install it, on the host", shell.New("apt-get", "install", "fio"))}
}

func hostRoom(f *Facts, _ *nodeFacts) []Finding {
	facts, host := f.hostFacts(), f.Lab.Host
	need, whose := f.Lab.FileBytes()
	free, err := strconv.ParseInt(facts["directory_free_bytes"], 10, 64)
	if facts == nil || err != nil || labspec.Size(free) >= need {
		return nil
	}
	return []Finding{problem(Error, "the directory %s of host %s has %s free, and the files of %s take %s", host.Directory, host.Name, roughly(free), whose, need).
		advise("make room, or make size × numjobs smaller in the lab file", shell.New("df", "-h", host.Directory))}
}

func machinePreconditions() []precondition {
	return []precondition{{
		id: "machine", asks: "state and results can be written here, others cannot read the token's secret, and something listens at ssh.proxy",
		find: func(f *Facts, _ *nodeFacts) []Finding { return f.machine },
	}}
}

func machineDetail(*Facts) string { return "state and results can be written" }
