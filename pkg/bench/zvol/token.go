package zvol

import (
	"context"
	"crypto/rand"
	_ "embed" // for the script
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"

	"labctl/pkg/remote"
)

//go:embed token.sh
var tokenScript string

// Token is what was written to a disk by somebody who is known to write to the right one, and where.
type Token struct {
	Text        string
	OffsetBytes int64
}

// newToken returns a text that nobody else has written anywhere.
func newToken() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	return "labctl-token-" + hex.EncodeToString(random[:])
}

var offsetLine = regexp.MustCompile(`^offset=([0-9]{1,18})\n$`)

// Guest is a login on a VM.
type Guest interface {
	Run(ctx context.Context, command remote.Command) (remote.Output, error)
}

// PlaceToken has the guest write a token to its data disk, which it knows by the serial number.
func PlaceToken(ctx context.Context, guest Guest, serial, mount string) (Token, error) {
	token := Token{Text: newToken()}
	output, err := guest.Run(ctx, remote.Command{Argv: []string{"sh", "-c", tokenScript, "labctl", serial, mount, token.Text}})
	if err != nil {
		return Token{}, fmt.Errorf("having the guest mark its data disk: %w", err)
	}
	match := offsetLine.FindSubmatch(output.Stdout)
	if match == nil {
		return Token{}, fmt.Errorf("having the guest mark its data disk: %.80q is no offset", output.Stdout)
	}
	token.OffsetBytes, err = strconv.ParseInt(string(match[1]), 10, 64)
	return token, err
}
