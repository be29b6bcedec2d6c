package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/viper"

	"labctl/pkg/pve"
)

// The configuration keys; in the environment LABCTL_PVE_URL and so on.
const (
	keyURL             = "pve.url"
	keyTokenID         = "pve.token_id"
	keyTokenSecret     = "pve.token_secret"
	keyTokenSecretFile = "pve.token_secret_file"
	keyFingerprint     = "pve.fingerprint"
	keyCAFile          = "pve.ca_file"
	keySSHKeyFile      = "ssh.key_file"
	keySSHKnownHosts   = "ssh.known_hosts_file"
	keySSHProxy        = "ssh.proxy"      // host:port of an HTTP proxy (CONNECT) to the guests
	keySSHPatience     = "ssh.patience"   // how long a target that was lost during a trial may be away
	keyFioBinary       = "fio.binary"     // a static fio for all targets; without it they use their own
	keyGuestPatience   = "guest.patience" // how long each readiness probe of a guest may take
	keyOwner           = "owner"          // whose the labs are in owner marks; without it the API token's name
	keySandboxImage    = "sandbox.image"  // cloud image that virtual machines of the sandbox boot, instead of the built one
)

func configKeys() []string {
	return []string{
		keyURL, keyTokenID, keyTokenSecret, keyTokenSecretFile, keyFingerprint, keyCAFile,
		keySSHKeyFile, keySSHKnownHosts, keySSHProxy, keySSHPatience, keyGuestPatience, keyFioBinary, keyOwner, keySandboxImage,
	}
}

// readConfig reads the configuration file, if there is one, and the environment.
func (a *app) readConfig() error {
	config := viper.New()
	config.SetEnvPrefix("LABCTL")
	config.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	for _, key := range configKeys() {
		if err := config.BindEnv(key); err != nil {
			return fmt.Errorf("reading the configuration: %w", err)
		}
	}
	if path, explicit := a.configPath(); path != "" {
		if err := readConfigFile(config, path, explicit); err != nil {
			return err
		}
	}
	for _, key := range []string{keySSHPatience, keyGuestPatience} {
		text := config.GetString(key)
		if patience, err := time.ParseDuration(text); text != "" && (err != nil || patience <= 0) {
			return fmt.Errorf("%s is %q: write a duration such as 10m", key, text)
		}
	}
	a.config = config
	return nil
}

// readConfigFile reads the file strictly: a mistyped key must not fall back to a default. Only a file that the user
// named has to exist.
func readConfigFile(config *viper.Viper, path string, explicit bool) error {
	config.SetConfigFile(path)
	config.SetConfigType("yaml")
	err := config.ReadInConfig()
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return nil
	}
	if err != nil {
		return fmt.Errorf("configuration file %s: %w", path, err)
	}
	for _, key := range config.AllKeys() {
		if !slices.Contains(configKeys(), key) {
			return fmt.Errorf("configuration file %s: unknown key %s; known are %s", path, key, strings.Join(configKeys(), ", "))
		}
	}
	return nil
}

// configPath is the configuration file, and whether the user named it as one that exists.
func (a *app) configPath() (path string, explicit bool) {
	if a.flags.config != "" {
		return a.flags.config, !a.writesConfig
	}
	base, err := os.UserConfigDir()
	if err != nil {
		return "", false // without a home there is no default file
	}
	return filepath.Join(base, "labctl", "config.yaml"), false
}

// pveConfig is how to reach the configured server.
func (a *app) pveConfig() (pve.Config, error) {
	secret, err := a.tokenSecret()
	if err != nil {
		return pve.Config{}, err
	}
	config := pve.Config{
		URL: a.config.GetString(keyURL), TokenID: a.config.GetString(keyTokenID), TokenSecret: secret,
		Fingerprint: a.config.GetString(keyFingerprint), CAFile: a.config.GetString(keyCAFile), Logger: a.log,
	}
	for _, need := range []struct{ key, value string }{{keyURL, config.URL}, {keyTokenID, config.TokenID}, {keyTokenSecret, string(secret)}} {
		if need.value == "" {
			return pve.Config{}, usagef("%s is not set: `labctl init` writes the configuration; or set %s; without a Proxmox VE server try --sandbox",
				need.key, variable(need.key))
		}
	}
	return config, nil
}

// variable is the environment variable of a key.
func variable(key string) string {
	return "LABCTL_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// secretFileError says that the file of the token's secret cannot be read.
type secretFileError struct{ err error }

// Error names the key and the file.
func (e *secretFileError) Error() string {
	return fmt.Sprintf("reading the token's secret (%s): %v", keyTokenSecretFile, e.err)
}

// Unwrap returns the cause.
func (e *secretFileError) Unwrap() error { return e.err }

func (a *app) tokenSecret() (pve.Secret, error) {
	if secret := a.config.GetString(keyTokenSecret); secret != "" {
		return pve.Secret(secret), nil
	}
	path := a.config.GetString(keyTokenSecretFile)
	if path == "" {
		return "", nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", &usageError{&secretFileError{err}}
	}
	return pve.Secret(strings.TrimSpace(string(data))), nil
}
