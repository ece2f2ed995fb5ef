package gopush_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// credential is what names of values have that somebody could guess byte by byte if they were compared as others are.
var credential = regexp.MustCompile(`(?i)secret|password|passwd|token$|apikey$|^mac$|hmac|digest$|hash$`)

// comparing functions tell by their time how much of two values is alike.
var comparing = regexp.MustCompile(`^(bytes\.(Equal|EqualFold|Compare|HasPrefix)|strings\.(EqualFold|Compare|HasPrefix)|slices\.(Equal|Contains|Index)|reflect\.DeepEqual)$`)

// Nothing compares credentials, or their hashes, in a time that depends on how much of them is alike: subtle.ConstantTimeCompare and
// hmac.Equal do not. That one is empty may be asked in any way.
func TestCredentialsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	files := token.NewFileSet()
	looked := 0
	err := filepath.WalkDir("internal", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		looked++
		ast.Inspect(file, func(n ast.Node) bool {
			if what := comparison(n); what != "" {
				t.Errorf("%v: %s takes longer the more of a credential is right: use subtle.ConstantTimeCompare", files.Position(n.Pos()), what)
			}
			return true
		})
		return nil
	})
	if err != nil || looked < 100 {
		t.Errorf("looked at %d files: %v", looked, err)
	}
}

// comparison returns how n compares a credential; "": it does not.
func comparison(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if (n.Op == token.EQL || n.Op == token.NEQ) && !constant(n.X) && !constant(n.Y) && (named(n.X) || named(n.Y)) {
			return fmt.Sprintf("%s %v %s", text(n.X), n.Op, text(n.Y))
		}
	case *ast.CallExpr:
		for _, arg := range n.Args {
			if comparing.MatchString(text(n.Fun)) && named(arg) {
				return fmt.Sprintf("%s(… %s …)", text(n.Fun), text(arg))
			}
		}
	}
	return ""
}

func named(e ast.Expr) bool {
	name := text(e)
	return credential.MatchString(name[strings.LastIndexByte(name, '.')+1:])
}

// constant tells whether an expression is a literal, a number that is computed, or nil.
func constant(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit, *ast.CompositeLit, *ast.CallExpr:
		return true
	case *ast.Ident:
		return e.Name == "nil" || e.Name == "none"
	}
	return false
}

// text is an expression of names, as it was written.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return text(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return text(e.X)
	case *ast.SliceExpr:
		return text(e.X)
	case *ast.CallExpr:
		return text(e.Fun)
	}
	return ""
}

// Each test that docs/security.md names is there.
func TestWhatSecurityNamesIsThere(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile(filepath.Join("docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range declared.FindAllStringSubmatch(string(source), -1) {
			there[found[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`?").FindAllStringSubmatch(string(doc), -1)
	for _, name := range named {
		if !there[name[1]] {
			t.Errorf("docs/security.md names %s, which is nowhere", name[1])
		}
	}
	if len(named) < 30 {
		t.Errorf("docs/security.md names %d tests, want more", len(named))
	}
}
