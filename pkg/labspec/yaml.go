package labspec

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// MaxFileBytes is how many bytes a lab file may have. It keeps the parser, whose time grows with the square of the nesting, within seconds for any input.
const MaxFileBytes = 64 << 10

// start is the place of problems that concern the file as a whole.
var start = position{1, 1}

// yamlError is one problem of the file as YAML.
type yamlError struct {
	at position
	valueError
}

// parseYAML reads the one document of a file. It refuses the parts of YAML that would make a lab mean something else
// than what stands at the place in question: anchors, aliases, merge keys, tags, several documents. A nil node comes
// only with errors; errors may come with a node, which then lacks the refused parts.
func parseYAML(data []byte) (*node, []yamlError) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > MaxFileBytes {
		return nil, []yamlError{{start, valueError{"the file is too long", fmt.Sprintf("a lab file has at most %d bytes", MaxFileBytes)}}}
	}
	if !utf8.Valid(data) {
		return nil, []yamlError{{start, valueError{"the file is not UTF-8 text", "save it as UTF-8"}}}
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, []yamlError{syntaxError(err)}
	}
	var r reader
	var root *node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType:
			r.refuse(doc.Body.GetToken(), "a YAML directive", "remove the line")
		case root != nil:
			r.refuse(doc.Start, "a second document", "write each lab into a file of its own")
		default:
			root = r.node(doc.Body)
		}
	}
	if root == nil && len(r.errors) == 0 {
		r.errors = append(r.errors, yamlError{start, valueError{"the file is empty", "begin with apiVersion: " + APIVersion}})
	}
	return root, r.errors
}

// syntaxError brings an error of the YAML parser into our form.
func syntaxError(err error) yamlError {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		return yamlError{start, valueError{problem: err.Error()}}
	}
	problem := valueError{problem: "not valid YAML: " + syntax.GetMessage()}
	if tabIndent.MatchString(syntax.GetMessage()) {
		problem = valueError{"a tab where YAML wants spaces", "indent with spaces"}
	}
	return yamlError{positionOf(syntax.GetToken()), problem}
}

var tabIndent = regexp.MustCompile(`^found (a tab character|character '\t')`)

func positionOf(tk *token.Token) position {
	if tk == nil || tk.Position == nil {
		return start
	}
	return position{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
}

// reader turns the parser's tree into nodes and collects what it refuses.
type reader struct{ errors []yamlError }

func (r *reader) refuse(at *token.Token, what, remedy string) {
	r.errors = append(r.errors, yamlError{positionOf(at), valueError{what + " is not allowed in a lab file", remedy}})
}

// node converts one value. What is refused leaves its plain content behind, if it has any.
func (r *reader) node(n ast.Node) *node {
	made := &node{kind: kindNull, at: positionOf(n.GetToken())}
	switch n := n.(type) {
	case *ast.MappingNode:
		made.kind = kindMapping
		r.entries(made, n.Values)
		if !n.IsFlowStyle && len(made.entries) > 0 {
			made.at = made.entries[0].at
		}
	case *ast.MappingValueNode:
		made.kind = kindMapping
		r.entries(made, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		made.kind = kindList
		for _, item := range n.Values {
			made.items = append(made.items, r.node(item))
		}
	case *ast.LiteralNode:
		made.kind, made.text = kindText, n.Value.Value
	case *ast.AnchorNode:
		r.refuse(n.GetToken(), "an anchor", "write the values out, or use vmDefaults")
		return r.node(n.Value)
	case *ast.AliasNode:
		r.refuse(n.GetToken(), "an alias", "write the values out, or use vmDefaults")
		made.kind = kindRefused
	case *ast.TagNode:
		r.refuse(n.GetToken(), "a tag", "remove it")
		return r.node(n.Value)
	default:
		made.kind, made.text = word(n)
	}
	return made
}

// entries converts the lines of a mapping.
func (r *reader) entries(to *node, values []*ast.MappingValueNode) {
	for _, value := range values {
		tk := value.Key.GetToken()
		if _, plain := value.Key.(ast.ScalarNode); !plain || value.Key.Type() == ast.AnchorType {
			r.refuse(tk, "this kind of key", "write a plain word as key")
			continue
		}
		if value.Key.IsMergeKey() {
			r.refuse(tk, "a merge key", "write the values out, or use vmDefaults")
			continue
		}
		to.entries = append(to.entries, entry{key: tk.Value, at: positionOf(tk), value: r.node(value.Value)})
	}
}

// word tells the kinds of scalars apart by the parser's node, and keeps the text as written.
func word(n ast.Node) (kind, string) {
	written := n.GetToken().Value
	switch n.Type() {
	case ast.NullType:
		return kindNull, ""
	case ast.BoolType:
		return kindFlag, written
	case ast.IntegerType:
		if decimal.MatchString(written) {
			return kindWhole, written
		}
		return kindOther, written
	case ast.FloatType, ast.InfinityType, ast.NanType:
		return kindOther, written
	default:
		if n.GetToken().Type == token.StringType && decimal.MatchString(written) {
			return kindWhole, written // too large for the parser
		}
		return kindText, written
	}
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
