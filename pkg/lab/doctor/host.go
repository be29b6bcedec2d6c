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

// checkHost looks whether the host can be measured: the login, the directory, its room, and fio.
func checkHost(s *seen) (string, []Finding) {
	host := s.Lab.Host
	if host == nil || s.HostFacts == nil {
		return "the lab measures no host", nil
	}
	if s.host.err != nil {
		return "", []Finding{loginFailed(*host, s.host.err)}
	}
	facts := s.host.value
	var findings []Finding
	if facts["directory"] == "" {
		findings = append(findings, problem(Error, "the host %s has no directory %s that %s may write to", host.Name, host.Directory, host.SSH.User).
			advise("make it, best as a dataset of its own on the pool behind the storage; on the host",
				"zfs create -o mountpoint="+shell.Quote(host.Directory)+" "+shell.Quote(strings.Trim(host.Directory, "/")), "mkdir -p "+shell.Quote(host.Directory)))
	}
	if facts["fio_version"] == "" {
		findings = append(findings, problem(Error, "the host %s has no fio", host.Name).advise("install it, on the host", "apt-get install fio"))
	}
	need, whose := s.Lab.FileBytes()
	if free, err := strconv.ParseInt(facts["directory_free_bytes"], 10, 64); err == nil && labspec.Size(free) < need {
		findings = append(findings, problem(Error, "the directory %s of host %s has %s free, and the files of %s take %s", host.Directory, host.Name, roughly(free), whose, need).
			advise("make room, or make size × numjobs smaller in the lab spec", "df -h "+shell.Quote(host.Directory)))
	}
	return fmt.Sprintf("%s with %s, %s on %s", host.Name, facts["fio_version"], host.Directory, facts["directory_fs"]), findings
}

// loginFailed says what to do for each way in which a login can fail.
func loginFailed(host labspec.Host, err error) Finding {
	finding := problem(Error, "the host %s cannot be logged in to: %v", host.Name, err)
	where := shell.Quote(host.SSH.User + "@" + host.SSH.Host)
	if host.SSH.Port != 22 {
		where = fmt.Sprintf("-p %d %s", host.SSH.Port, where)
	}
	var hostKey *remote.HostKeyError
	var auth *remote.AuthError
	switch {
	case errors.As(err, &hostKey):
		return finding.advise("log in once by hand and compare the fingerprint with the host's own", "ssh "+where,
			"ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub")
	case errors.As(err, &auth):
		return finding.advise("let the key of ssh.key_file in", "ssh-copy-id -i KEY.pub "+where)
	}
	return finding.advise("correct host.ssh in the lab spec or ssh.key_file in the configuration, or remove host: to measure VMs only", "ssh "+where)
}

// checkMachine hands on what was found about the machine that labctl runs on.
func checkMachine(s *seen) (string, []Finding) {
	return "state and results can be written", s.Machine
}
