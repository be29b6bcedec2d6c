package cli

import (
	"os"

	"github.com/rogpeppe/go-internal/testscript"
)

// sandboxEnv is the script command "sandboxenv": it tells the script how its sandbox is reached, in $URL, $FINGERPRINT,
// $PROXY and $SECRET, and writes the token's secret to the file secret.
func sandboxEnv(ts *testscript.TestScript, _ bool, _ []string) {
	info := scriptSandbox(ts)
	ts.Setenv("URL", info.URL)
	ts.Setenv("FINGERPRINT", info.Fingerprint)
	ts.Setenv("PROXY", info.Gateway)
	ts.Setenv("SECRET", info.TokenSecret)
	ts.Check(os.WriteFile(ts.MkAbs("secret"), []byte(info.TokenSecret+"\n"), 0o600))
}
