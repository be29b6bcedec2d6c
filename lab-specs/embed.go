// Package labspecs holds the labs that ship with labctl; each file is a lab by the name before its extension.
package labspecs

import "embed"

// FS has the lab files, such as blog.yaml.
//
//go:embed *.yaml
var FS embed.FS
