package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"labctl/pkg/internal/shell"
	"labctl/pkg/lab/doctor"
)

// examineMachine looks at what labctl needs on the machine that it runs on.
func (a *app) examineMachine(ctx context.Context) []doctor.Finding {
	var findings []doctor.Finding
	for _, place := range []struct{ flag, dir string }{{"--state-dir", a.flags.stateDir}, {"--results", a.flags.results}} {
		if err := writable(place.dir); err != nil {
			findings = append(findings, doctor.Finding{
				Severity: doctor.Error, Problem: fmt.Sprintf("nothing can be written to the directory %s: %v", place.dir, err),
				Advice: "let your user write there, or give another directory with " + place.flag,
			})
		}
	}
	for _, path := range a.secretFiles() {
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			findings = append(findings, doctor.Finding{
				Severity: doctor.Warning, Problem: fmt.Sprintf("others may read %s, which holds the token's secret", path),
				Advice: "keep it to yourself", Commands: []string{"chmod 600 " + shell.Quote(path)},
			})
		}
	}
	return append(findings, a.examineProxy(ctx)...)
}

// proxyTime bounds knocking at the proxy.
const proxyTime = 2 * time.Second

// examineProxy looks whether anything listens where the way to the guests begins.
func (a *app) examineProxy(ctx context.Context) []doctor.Finding {
	proxy := a.config.GetString(keySSHProxy)
	if proxy == "" || a.flags.sandbox != "" {
		return nil
	}
	connection, err := (&net.Dialer{Timeout: proxyTime}).DialContext(ctx, "tcp", proxy)
	if err == nil {
		err = connection.Close()
	}
	if err == nil {
		return nil
	}
	return []doctor.Finding{{
		Severity: doctor.Error, Problem: fmt.Sprintf("nothing answers at the proxy to the guests, ssh.proxy %s: %v", proxy, err),
		Advice: "start the proxy, correct ssh.proxy in the configuration, or remove it when this machine reaches the guests itself",
	}}
}

// writable makes the directory and a file in it, and removes the file.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	name := file.Name()
	if err := file.Close(); err != nil {
		return err
	}
	return os.Remove(name)
}

// secretFiles are the files from which the token's secret was read.
func (a *app) secretFiles() []string {
	if a.flags.sandbox != "" {
		return nil
	}
	if path := a.config.GetString(keyTokenSecretFile); path != "" {
		return []string{path}
	}
	path := a.config.ConfigFileUsed()
	if path == "" || os.Getenv(variable(keyTokenSecret)) != "" {
		return nil
	}
	return []string{path}
}
