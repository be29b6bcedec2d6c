package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"labctl/pkg/internal/shell"
)

// advice matches a command that a message advises without saying for which lab, and with which flags.
var advice = regexp.MustCompile("`labctl (up|bench|down|plan|status|gc|init|template build|sandbox stop|sandbox status)( [^`]*)?`")

// spellOut completes the advised commands, so that they can be pasted as they stand.
func (a *app) spellOut(text string) string {
	return advice.ReplaceAllStringFunc(text, func(command string) string {
		parts := advice.FindStringSubmatch(command)
		return "`labctl " + a.spelled(parts[1], parts[2]) + "`"
	})
}

// spelled is the command with the flags that lead to the same server and state, and with the lab.
func (a *app) spelled(verb, rest string) string {
	if a.again != "" && isAgain(verb, rest) {
		return a.again + rest
	}
	words, ofSandbox := a.given, strings.HasPrefix(verb, "sandbox ")
	switch kind := a.flags.sandbox; {
	case kind == "", verb == "init", kind == sandboxHost && ofSandbox:
	case kind == sandboxHost:
		words = append([]string{"--sandbox"}, words...)
	default:
		words = append([]string{"--sandbox=" + kind}, words...)
	}
	takesLab := verb != "gc" && verb != "init" && !ofSandbox
	if a.lab != "" && takesLab && (rest == "" || strings.HasPrefix(rest, " --")) {
		rest = " " + shell.Quote(a.lab) + rest
	}
	if len(words) > 0 {
		verb = shellWords(words) + " " + verb
	}
	return verb + rest
}

// isAgain says whether what is advised is to do the same again, with a person's word at most.
func isAgain(verb, rest string) bool {
	return (verb == "down" || verb == "template build") && (rest == "" || strings.HasPrefix(rest, " --leave ") || strings.HasPrefix(rest, " --take "))
}

// remember keeps what of the command line has to be said again in an advised command.
func (a *app) remember(cmd *cobra.Command) {
	if path := cmd.CommandPath(); path == "labctl template build" || path == "labctl gc" {
		a.again = shellWords(a.args) // what is left then is not of a lab that `down` knows
	}
	for _, flag := range []string{"config", "state-dir", "instance"} {
		if set := cmd.Flags().Lookup(flag); set.Changed {
			a.given = append(a.given, "--"+flag, set.Value.String())
		}
	}
}

// spelledError is an error whose advised commands are complete, for one lab of several.
type spelledError struct {
	text string
	err  error
}

// Error is the completed text.
func (e *spelledError) Error() string { return e.text }

// Unwrap returns the error.
func (e *spelledError) Unwrap() error { return e.err }

// about completes the commands that an error advises, for a lab that `down` knows by its name.
func (a *app) about(lab string, err error) error {
	if err == nil {
		return nil
	}
	named := &app{flags: a.flags, given: a.given, lab: lab}
	return &spelledError{text: named.spellOut(err.Error()), err: err}
}

// shellWords writes words for a shell.
func shellWords(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shell.Quote(word)
	}
	return strings.Join(quoted, " ")
}
