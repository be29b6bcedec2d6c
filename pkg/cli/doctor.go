package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/shell"
	"labctl/pkg/internal/ui"
	"labctl/pkg/lab/doctor"
	"labctl/pkg/lab/guestsetup"
	"labctl/pkg/lab/journal"
	"labctl/pkg/lab/labrun"
	"labctl/pkg/labspec"
	"labctl/pkg/pve"
	"labctl/pkg/remote"
)

func newDoctor(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor [LAB]",
		Short: "Find out at once everything on the server that would make a lab fail, and what puts it right; change nothing",
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := a.loadLab(args)
			if err != nil {
				return err
			}
			return a.doctor(cmd.Context(), spec)
		},
	}
}

// doctor examines the server for a lab. It takes no lock and needs no lab that is down.
func (a *app) doctor(ctx context.Context, spec labrun.Spec) error {
	server, unasked, err := a.reachForDoctor(ctx)
	if err != nil {
		return err
	}
	a.progress().Status(func(time.Duration) string { return "examining " + server.url })
	input, err := a.doctorInput(spec, server)
	if err != nil {
		return err
	}
	input.Unasked = unasked
	report, err := doctor.Examine(ctx, input)
	if err == nil {
		err = errors.Join(a.print(a.reportWriter(report)), verdict(report))
	}
	if server.started {
		err = errors.Join(err, a.stopIfUnused(ctx, server))
	}
	return err
}

// reachForDoctor connects to the server. That the token's secret cannot be read is one finding among others.
func (a *app) reachForDoctor(ctx context.Context) (*server, *doctor.Finding, error) {
	reached, err := a.connect(ctx)
	var unread *secretFileError
	if !errors.As(err, &unread) {
		return reached, nil, err
	}
	finding := &doctor.Finding{
		Severity: doctor.Error, Problem: unread.Error(), Advice: "let your user read the file, or name another one in the configuration",
		Commands: []string{"ls -l " + shell.Quote(a.config.GetString(keyTokenSecretFile))},
	}
	return &server{url: a.config.GetString(keyURL), tokenID: a.config.GetString(keyTokenID)}, finding, nil
}

// verdict is the error of a lab that would fail.
func verdict(report doctor.Report) error {
	n := report.Count(doctor.Error)
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%s: lab %s would fail on %s", ui.Count(n, "error"), report.Lab, report.Server)
}

// doctorInput is what is looked at, and by which means.
func (a *app) doctorInput(spec labrun.Spec, s *server) (doctor.Input, error) {
	input := doctor.Input{Lab: spec.Lab, API: s.client, URL: s.url, TokenID: s.tokenID, Surroundings: a.around(s)}
	var err error
	if input.Unfinished, err = journal.Held(a.labStore().Dir(spec.Lab.Name) + ".lock"); err != nil {
		return input, err
	}
	state, err := a.labStore().State(spec.Lab.Name)
	if err != nil || !state.Active() {
		return input, err
	}
	for _, vm := range state.Touched() {
		ref := pve.VMRef{Node: vm.Node, ID: pve.VMID(vm.VMID)}
		input.Known = append(input.Known, ref)
		input.Up = append(input.Up, doctor.UpVM{Name: vm.Name, Ref: ref})
	}
	return input, nil
}

// around is what doctor and `up` look at besides the server.
func (a *app) around(s *server) doctor.Surroundings {
	around := doctor.Surroundings{Reach: s.sshAnswers, Machine: a.examineMachine, KeyFile: a.config.GetString(keySSHKeyFile)}
	if s.dialer == nil {
		around.Route = route
	}
	around.HostFacts = func(ctx context.Context, host labspec.Host) (map[string]string, error) {
		return a.hostFacts(ctx, s, host)
	}
	return around
}

// route looks up the way to an address. To connect a datagram socket sends nothing.
func route(address netip.Addr) error {
	connection, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(address, 22)))
	if err != nil {
		return err
	}
	return connection.Close()
}

// hostTime bounds the login to the host.
const hostTime = 5 * time.Second

// hostFacts logs in to the PVE host as `bench` does, and asks for its facts.
func (a *app) hostFacts(ctx context.Context, s *server, host labspec.Host) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, hostTime)
	defer cancel()
	target, directory, err := a.hostTarget(s, host)
	if err != nil {
		return nil, err
	}
	connection, err := remote.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	facts, err := factsOf(ctx, connection, host.Name, guestsetup.HostFacts(directory))
	return facts, errors.Join(err, connection.Close())
}

func (a *app) reportWriter(report doctor.Report) func(io.Writer) error {
	return func(w io.Writer) error {
		if a.json() {
			return writeJSON(w, report)
		}
		_, err := io.WriteString(w, a.spellOut(reportText(report)))
		return err
	}
}

// reportText is a line for every check and finding, with what puts it right indented below.
func reportText(report doctor.Report) string {
	text := fmt.Sprintf("Lab %s on %s\n\n", report.Lab, report.Server)
	for _, check := range report.Checks {
		if len(check.Findings) == 0 {
			text += fmt.Sprintf("%-8s %-11s %s\n", check.State, check.Name, check.Detail)
		}
		for _, finding := range check.Findings {
			text += fmt.Sprintf("%-8s %-11s %s\n", finding.Severity, check.Name, finding.Problem)
			if finding.Advice != "" {
				text += strings.Repeat(" ", 21) + finding.Advice + "\n"
			}
			for _, command := range finding.Commands {
				text += strings.Repeat(" ", 23) + command + "\n"
			}
		}
	}
	return text + fmt.Sprintf("\n%s, %s, %s\n", ui.Count(report.Count(doctor.Error), "error"),
		ui.Count(report.Count(doctor.Warning), "warning"), ui.Count(report.Count(doctor.Note), "note"))
}
