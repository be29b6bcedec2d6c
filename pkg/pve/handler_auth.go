package pve

import (
	"bytes"
	"context"
	"strings"
)

// authHandler adds the API token. It is the only keeper of the secret (in a
// closure, where no %+v finds it), so it also sees to it that an answer that
// repeats our headers, as some proxies' error pages do, carries it no further.
func authHandler(next handler, tokenID string, secret Secret) handler {
	plain := string(secret)
	return func(ctx context.Context, c call) (answer, error) {
		c.authorization = "PVEAPIToken=" + tokenID + "=" + plain
		a, err := next(ctx, c)
		if plain != "" {
			a.reason = strings.ReplaceAll(a.reason, plain, redacted)
			a.body = bytes.ReplaceAll(a.body, []byte(plain), []byte(redacted))
		}
		return a, err
	}
}
