package pve

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// logHandler writes each try to the debug log. It sits above the auth handler
// and so never sees the secret; values of parameters that may be private are
// hidden.
func logHandler(next handler, logger *slog.Logger) handler {
	return func(ctx context.Context, c call) (answer, error) {
		if !logger.Enabled(ctx, slog.LevelDebug) {
			return next(ctx, c)
		}
		start := time.Now()
		a, err := next(ctx, c)
		attrs := []slog.Attr{
			slog.String("method", c.method), slog.String("path", c.path),
			slog.String("params", showParams(c.params)),
			slog.Int("status", a.status), slog.Duration("took", time.Since(start)),
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error()))
		}
		logger.LogAttrs(ctx, slog.LevelDebug, "pve call", attrs...)
		return a, err
	}
}

// showParams writes parameters for a log, without what is nobody's business.
func showParams(params []Param) string {
	shown := make([]string, len(params))
	for i, p := range params {
		value := p.Value
		if key := strings.ToLower(p.Key); strings.Contains(key, "password") || strings.Contains(key, "secret") ||
			strings.Contains(key, "sshkeys") {
			value = redacted
		}
		shown[i] = p.Key + "=" + value
	}
	return strings.Join(shown, " ")
}
