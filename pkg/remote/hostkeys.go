package remote

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// HostKeys says which host keys a target may answer with: pinned keys or a
// known_hosts file. The zero value admits no key at all.
type HostKeys struct {
	pinned []ssh.PublicKey
	file   string
}

// PinnedKeys admits exactly these keys.
func PinnedKeys(keys ...ssh.PublicKey) HostKeys {
	return HostKeys{pinned: slices.Clone(keys)}
}

// ParsePinnedKeys admits exactly the keys in text, one per line in the format
// of /etc/ssh/ssh_host_ed25519_key.pub.
func ParsePinnedKeys(text []byte) (HostKeys, error) {
	var keys []ssh.PublicKey
	for rest := text; ; {
		key, _, _, next, err := ssh.ParseAuthorizedKey(rest)
		if err != nil {
			break // the parser's only way of saying that no further key follows
		}
		keys = append(keys, key)
		rest = next
	}
	if len(keys) == 0 {
		return HostKeys{}, errors.New("parsing host keys: no key found, want lines like \"ssh-ed25519 AAAA…\"")
	}
	return HostKeys{pinned: keys}, nil
}

// KnownHosts admits what the OpenSSH known_hosts file at path lists for the
// target's address. The file is read anew for every connection.
func KnownHosts(path string) HostKeys {
	return HostKeys{file: path}
}

// verifier is the check for one handshake with address, and the key algorithms
// to ask for: without them the server may show a genuine key of a type that was
// never pinned.
func (k HostKeys) verifier(address string) (ssh.HostKeyCallback, []string, error) {
	if k.file == "" {
		return k.checkPinned, algorithms(k.pinned), nil
	}
	check, err := knownhosts.New(k.file)
	if err != nil {
		return nil, nil, fmt.Errorf("reading known hosts: %w", err)
	}
	// Asking about a key that nobody has makes knownhosts tell what it would accept.
	var listed []ssh.PublicKey
	var mismatch *knownhosts.KeyError
	if errors.As(check(address, &net.TCPAddr{IP: net.IPv4zero}, strangerKey{}), &mismatch) {
		for _, known := range mismatch.Want {
			listed = append(listed, known.Key)
		}
	}
	return func(host string, addr net.Addr, key ssh.PublicKey) error {
		err := check(host, addr, key)
		if err == nil {
			return nil
		}
		return &HostKeyError{Got: ssh.FingerprintSHA256(key), Want: fingerprints(listed), Err: err}
	}, algorithms(listed), nil
}

// checkPinned admits a pinned key, whatever the address.
func (k HostKeys) checkPinned(_ string, _ net.Addr, key ssh.PublicKey) error {
	for _, pinned := range k.pinned {
		if string(pinned.Marshal()) == string(key.Marshal()) {
			return nil
		}
	}
	return &HostKeyError{Got: ssh.FingerprintSHA256(key), Want: fingerprints(k.pinned), Err: errors.New("key is not pinned")}
}

// problem turns what the caller can do something about into an error before any dialing.
func (k HostKeys) problem() error {
	if len(k.pinned) == 0 && k.file == "" {
		return errors.New("no host key is pinned and no known_hosts file is given: connecting unverified is not offered")
	}
	if k.file != "" {
		if _, err := os.Stat(k.file); err != nil {
			return fmt.Errorf("reading known hosts: %w", err)
		}
	}
	return nil
}

func fingerprints(keys []ssh.PublicKey) []string {
	var prints []string
	for _, key := range keys {
		prints = append(prints, ssh.FingerprintSHA256(key))
	}
	return prints
}

// algorithms are the signature algorithms that prove possession of keys.
func algorithms(keys []ssh.PublicKey) []string {
	var names []string
	for _, key := range keys {
		switch name := key.Type(); name {
		case ssh.KeyAlgoRSA: // one key type, several signatures; SHA-1 is not wanted
			names = append(names, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// strangerKey is a key that no known_hosts file can list.
type strangerKey struct{}

// Type is no type that any key has.
func (strangerKey) Type() string { return "stranger" }

// Marshal is the key's blob.
func (strangerKey) Marshal() []byte { return []byte("stranger") }

// Verify admits nothing.
func (strangerKey) Verify([]byte, *ssh.Signature) error { return errors.New("stranger") }
