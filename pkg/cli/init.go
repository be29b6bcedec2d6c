package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/lab/doctor"
	"labctl/pkg/pve"
)

// initName is the command that makes the configuration.
const initName = "init"

// initFlags are the answers of `init` that need not be asked for.
type initFlags struct {
	url, fingerprint, tokenID, secretFile    string
	node, pool, template, storage, bridge    string
	address, gateway, hostSSH, hostDirectory string
	sshKey, sshProxy, labFile                string
	major                                    int
	imageStorage                             string // for the grants of template build; "" for none
	printGrants, force                       bool
}

func (f *initFlags) add(cmd *cobra.Command) {
	set := cmd.Flags()
	set.StringVar(&f.url, "url", "", "`address` of the server, such as https://192.168.7.2:8006")
	set.StringVar(&f.fingerprint, "fingerprint", "", "SHA-256 `fingerprint` that the server's certificate must have")
	set.StringVar(&f.tokenID, "token-id", "", "API token, such as labctl@pve!run")
	set.StringVar(&f.secretFile, "secret-file", "", "`file` with the token's secret; else LABCTL_PVE_TOKEN_SECRET, else it is asked for")
	set.StringVar(&f.node, "node", "", "PVE `node` for the lab")
	set.StringVar(&f.pool, "pool", "", "resource `pool` for the lab's VMs")
	set.StringVar(&f.template, "template", "", "`VMID` of the template to clone")
	set.StringVar(&f.storage, "storage", "", "`storage` for the data disks")
	set.StringVar(&f.bridge, "bridge", "", "`bridge` for the VMs")
	set.StringVar(&f.address, "address", "", "addresses for the VMs: a `range` such as 192.168.7.{101..109}/24, or dhcp")
	set.StringVar(&f.gateway, "gateway", "", "`address` of the VMs' router (default: the node's, when it is in their network)")
	set.StringVar(&f.hostSSH, "host-ssh", "", "measure the host too, logging in as `USER@HOST`")
	set.StringVar(&f.hostDirectory, "host-directory", "", "`directory` on the host to measure in, such as /tank/labctl")
	set.StringVar(&f.sshKey, "ssh-key", "", "private key `file` that opens the host")
	set.StringVar(&f.sshProxy, "ssh-proxy", "", "`host:port` of an HTTP proxy through which the guests are reached, such as the sandbox's")
	set.StringVar(&f.labFile, "lab", defaultLab, "`file` for the first lab; one that exists is left alone")
	set.IntVar(&f.major, "pve", 0, "major `version` of the server, where it does not tell before a token exists")
	set.BoolVar(&f.printGrants, "print-grants", false, "print the commands that make user, token and least privileges, and stop there")
	set.StringVar(&f.imageStorage, "image-storage", "", "print also what template build needs, with the image on this directory `storage`")
	set.BoolVar(&f.force, "force", false, "overwrite the configuration and the lab file")
}

func newInit(a *app) *cobra.Command {
	var flags initFlags
	cmd := &cobra.Command{
		Use:   initName,
		Short: "Set labctl up for a Proxmox VE server: pin its certificate, make a token, write the configuration and a first lab",
		Long: `init asks for what it needs, or takes it from flags. Without a token it pins the server's certificate and prints the
commands that make one with the least privileges; run again with the token, it lets you choose among what the server
has, and writes the configuration (readable by you alone) and a first lab.yaml. The token's secret is read from the
terminal without showing it, from --secret-file, or from LABCTL_PVE_TOKEN_SECRET.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.flags.sandbox != "" {
				return usagef("--sandbox needs no set-up; to try init itself, run `labctl sandbox serve` in another terminal and give its URL")
			}
			set := &setup{app: a, flags: flags, ask: newPrompter(a)}
			return set.run(cmd.Context())
		},
	}
	flags.add(cmd)
	return cmd
}

// setup is one `init` under way.
type setup struct {
	app      *app
	flags    initFlags
	ask      *prompter
	path     string // of the configuration
	greeting pve.Greeting
	pinned   string // fingerprint, "" when the system trusts the certificate
	tokenID  string
	secret   pve.Secret
	keep     bool // the secret goes into the configuration, since it came from the prompt
}

// run is the whole conversation.
func (s *setup) run(ctx context.Context) error {
	if err := s.checkFiles(); err != nil {
		return err
	}
	if err := s.meet(ctx); err != nil {
		return err
	}
	var err error
	if s.tokenID = s.known(s.flags.tokenID, keyTokenID); s.tokenID == "" && !s.flags.printGrants {
		s.tokenID, err = s.ask.ask(ctx, question{text: "API token (user@realm!token; - prints the commands that make one)", flag: "--token-id, or --print-grants", fallback: "-"})
	}
	if err != nil {
		return err
	}
	if s.flags.printGrants || s.tokenID == "-" {
		return s.printGrants(ctx)
	}
	if err := s.readSecret(ctx); err != nil {
		return err
	}
	return s.choose(ctx)
}

// known is the flag's value, or the configuration's.
func (s *setup) known(flag, key string) string {
	if flag != "" {
		return flag
	}
	return s.app.config.GetString(key)
}

// checkFiles refuses to overwrite a configuration that has a token. One without is of an `init` that printed the grants.
func (s *setup) checkFiles() error {
	s.path, _ = s.app.configPath()
	if s.path == "" {
		return usagef("there is no home directory for the configuration: give --config")
	}
	if s.isComplete() && !s.flags.force && !s.flags.printGrants {
		return usagef("the configuration %s exists: overwrite it with --force, or write another one with --config", s.path)
	}
	return nil
}

// isComplete says that there is a configuration with a token.
func (s *setup) isComplete() bool { return s.app.config.InConfig(keyTokenID) }

// checkServer refuses to turn the configuration of one server into that of another.
func (s *setup) checkServer() error {
	is := s.app.config.GetString(keyURL)
	if !s.app.config.InConfig(keyURL) || s.flags.force || s.flags.url == "" || is == s.flags.url || is == s.greeting.URL {
		return nil
	}
	return usagef("the configuration %s is for %s, not %s: overwrite it with --force, or write another one with --config", s.path, is, s.greeting.URL)
}

// meet finds out who answers at the address, and whether it is the right one.
func (s *setup) meet(ctx context.Context) error {
	address := s.known(s.flags.url, keyURL)
	var err error
	if address == "" {
		if address, err = s.ask.ask(ctx, question{text: "Address of the Proxmox VE server, such as https://192.168.7.2:8006", flag: "--url"}); err != nil {
			return err
		}
	}
	s.app.progress().Status(func(time.Duration) string { return "asking " + address + " who it is" })
	s.greeting, err = pve.Greet(ctx, address)
	s.app.progress().Status(nil)
	if err != nil {
		return err
	}
	if err := s.checkServer(); err != nil {
		return err
	}
	return s.trust(ctx)
}

// trust pins the certificate: by a fingerprint that is known, or after a person compared it with the server's own. A
// certificate that the system trusts is not pinned, as it may be renewed any day.
func (s *setup) trust(ctx context.Context) error {
	want := s.known(s.flags.fingerprint, keyFingerprint)
	switch {
	case want != "" && plainFingerprint(want) != plainFingerprint(s.greeting.Fingerprint):
		return &pve.FingerprintError{Want: want, Got: s.greeting.Fingerprint}
	case want != "":
		s.pinned = s.greeting.Fingerprint
		return nil
	case s.greeting.Trusted:
		s.say("the certificate of %s is trusted by this machine and not pinned", s.greeting.URL)
		return nil
	}
	fmt.Fprintf(s.app.Err, `%s%s shows the certificate
  %s
  of %s, valid until %s.
Compare it with what the server itself says; on the server, as root:
  %s
`, s.greeting.URL, s.calledNode(), s.greeting.Fingerprint, s.greeting.Subject, s.greeting.NotAfter.UTC().Format(time.DateOnly), doctor.FingerprintCommand)
	same, err := s.ask.confirm(ctx, question{text: "Are the fingerprints the same? (yes/no)", flag: "--fingerprint " + s.greeting.Fingerprint + ", when they are"})
	if err != nil {
		return err
	}
	if !same {
		return usagef("the certificate was not accepted: nothing was written")
	}
	s.pinned = s.greeting.Fingerprint
	return nil
}

// calledNode says what the server calls itself, if it does.
func (s *setup) calledNode() string {
	if s.greeting.Node == "" {
		return ""
	}
	return fmt.Sprintf(" (node %s, Proxmox VE %s)", s.greeting.Node, s.greeting.Version)
}

func plainFingerprint(text string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(text), ":", ""))
}

// readSecret finds the token's secret: from a file, the environment or an older configuration, or from the terminal.
func (s *setup) readSecret(ctx context.Context) error {
	if s.flags.secretFile != "" {
		data, err := os.ReadFile(s.flags.secretFile)
		if err != nil {
			return usagef("reading the token's secret (--secret-file): %w", err)
		}
		s.secret = pve.Secret(strings.TrimSpace(string(data)))
		return nil
	}
	secret, err := s.app.tokenSecret()
	if err != nil || secret != "" {
		s.secret = secret
		return err
	}
	text, err := s.ask.secret(ctx, question{text: "Secret of " + s.tokenID + " (it is not shown)", flag: "--secret-file, or set LABCTL_PVE_TOKEN_SECRET"})
	s.secret, s.keep = pve.Secret(text), true
	return err
}

// say tells the user something.
func (s *setup) say(format string, args ...any) {
	if !s.app.flags.quiet {
		fmt.Fprintf(s.app.Err, format+"\n", args...)
	}
}

// report prints the outcome for programs.
func (s *setup) report(outcome initOutcome) error {
	if !s.app.json() {
		return nil
	}
	return s.app.print(func(w io.Writer) error { return writeJSON(w, outcome) })
}

// initOutcome is what `init --output json` prints.
type initOutcome struct {
	Config      string   `json:"config,omitempty"` // that was written, or is there
	Lab         string   `json:"lab,omitempty"`
	URL         string   `json:"url"`
	Version     string   `json:"version,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Commands    []string `json:"commands,omitempty"` // that root is to run on the server
}

func vmidOf(text string) (int, error) {
	id, err := strconv.Atoi(text)
	if err != nil || id < 100 {
		return 0, usagef("--template %s: give the template's VMID, such as 9000", text)
	}
	return id, nil
}
