package pkg_test

import (
	"go/ast"
	"strings"
)

// documentation wants a comment that begins with the name for everything a package exports.
func documentation(s source) (offenders []string) {
	for _, declaration := range s.syntax.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			if isExported(declaration) {
				offenders = append(offenders, s.undocumented(declaration.Name, declaration.Doc)...)
			}
		case *ast.GenDecl:
			for _, spec := range declaration.Specs {
				offenders = append(offenders, s.undocumentedSpec(declaration, spec)...)
			}
		}
	}
	return offenders
}

// isExported says whether a function, or a method of an exported type, can be seen from outside.
func isExported(function *ast.FuncDecl) bool {
	if !function.Name.IsExported() || function.Recv == nil {
		return function.Name.IsExported()
	}
	receiver := function.Recv.List[0].Type
	for {
		switch outer := receiver.(type) {
		case *ast.StarExpr:
			receiver = outer.X
		case *ast.IndexExpr:
			receiver = outer.X
		case *ast.Ident:
			return outer.IsExported()
		default:
			return true
		}
	}
}

// undocumentedSpec looks at a type, constants or variables. In a parenthesised group of values the comment of the group,
// or one at the end of the line, will do.
func (s source) undocumentedSpec(declaration *ast.GenDecl, spec ast.Spec) (offenders []string) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() {
			offenders = s.undocumented(spec.Name, either(spec.Doc, declaration.Doc))
		}
	case *ast.ValueSpec:
		if declaration.Lparen.IsValid() && either(either(spec.Doc, spec.Comment), declaration.Doc) != nil {
			return nil
		}
		for _, name := range spec.Names {
			if name.IsExported() {
				offenders = append(offenders, s.undocumented(name, either(spec.Doc, declaration.Doc))...)
			}
		}
	}
	return offenders
}

func either(a, b *ast.CommentGroup) *ast.CommentGroup {
	if a != nil {
		return a
	}
	return b
}

func (s source) undocumented(name *ast.Ident, doc *ast.CommentGroup) []string {
	first, _, _ := strings.Cut(strings.ReplaceAll(doc.Text(), "\n", " "), " ")
	if strings.TrimSuffix(strings.TrimRight(first, ".,:;"), "'s") == name.Name {
		return nil
	}
	return []string{s.offence(name, "the comment of %s does not begin with its name", name.Name)}
}
