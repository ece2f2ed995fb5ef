// Package gopush_test holds the repository to the shape that docs/design.md gives it.
package gopush_test

import (
	"cmp"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "gopush/"

// pkg is what the files of a directory say, tests left out.
type pkg struct {
	path    string // below the module: internal/config
	fileset *token.FileSet
	files   []*ast.File
	imports []string // those of ours, below the module
}

// short is the name of a package in the table of the house: config for internal/config.
func short(path string) string { return strings.TrimPrefix(path, "internal/") }

func TestImportsFollowTheArrows(t *testing.T) {
	t.Parallel()
	arrows := house(t)
	for _, p := range packages(t) {
		allowed, known := arrows[short(p.path)]
		if !known {
			t.Errorf("%s has no line in docs/design.md, \"The house\"", p.path)
			continue
		}
		for _, imported := range p.imports {
			if !slices.Contains(allowed, short(imported)) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s; docs/design.md, \"The house\", allows it %q", p.path, imported, allowed)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		documented := func(f *ast.File) bool { return f.Doc != nil }
		if !slices.ContainsFunc(p.files, documented) {
			t.Errorf("%s has no package comment", p.path)
		}
	}
}

func TestNoInit(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, f := range p.files {
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function; let the caller make what it needs", p.path)
				}
			}
		}
	}
}

// TestNoMutablePackageVariables finds package variables that are state: without a value, made to
// be filled, or assigned to by a function. Sentinel errors, tables and compiled expressions stay.
func TestNoMutablePackageVariables(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, name := range variables(p) {
			t.Errorf("%s: the package variable %s is state; give it an owner", p.path, name)
		}
		for _, name := range assigned(p) {
			t.Errorf("%s: a function assigns to the package variable %s; give it an owner", p.path, name)
		}
	}
}

// house reads from docs/design.md what each package may import of ours, by short name, and adds
// the packages that are wired by hand and so have no arrow there.
func house(t *testing.T) map[string][]string {
	t.Helper()
	arrows := map[string][]string{
		"cmd/gopush":      {"bench", "client", "config", "demo", "message", "node", "ring"},
		"client":          {"message", "wire", "wire/resp", "wire/ws"},
		"node":            {"*"},
		"store/storetest": {"channel", "message"},
	}
	text, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## The house\n```\n")
	table, _, found := strings.Cut(section, "```")
	if !found {
		t.Fatal("docs/design.md has no table under \"The house\"")
	}
	for line := range strings.Lines(table) {
		what, imports, arrow := strings.Cut(line, "→")
		for _, name := range packageNames(what) {
			if arrow || arrows[name] == nil {
				arrows[name] = strings.Fields(imports)
			}
		}
	}
	return arrows
}

// packageNames returns the names with a slash that begin a line of the table.
func packageNames(line string) (names []string) {
	for _, field := range strings.Fields(line) {
		if !regexp.MustCompile(`^[a-z]+(/[a-z0-9]+|/)+$`).MatchString(field) {
			break
		}
		names = append(names, strings.TrimSuffix(field, "/"))
	}
	return names
}

// packages parses every package of the module; directories with tests only are none.
func packages(t *testing.T) []pkg {
	t.Helper()
	byPath := map[string]*pkg{}
	fileset := token.NewFileSet()
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(file):
			return filepath.SkipDir
		case entry.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(fileset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(filepath.ToSlash(file))
		p := cmp.Or(byPath[dir], &pkg{path: dir, fileset: fileset})
		p.add(parsed)
		byPath[dir] = p
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for _, p := range byPath {
		all = append(all, *p)
	}
	if len(all) < 3 {
		t.Fatalf("found %d packages: the walk is broken", len(all))
	}
	return all
}

// skipped directories hold no package of this module.
func skipped(dir string) bool {
	name := filepath.Base(dir)
	return name == "testdata" || name == "tools" || name == "sdk" || name == "bin" ||
		name != "." && strings.HasPrefix(name, ".")
}

func (p *pkg) add(f *ast.File) {
	p.files = append(p.files, f)
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		ours, ok := strings.CutPrefix(imported, module)
		if ok && err == nil && !slices.Contains(p.imports, ours) {
			p.imports = append(p.imports, ours)
		}
	}
}

// variables returns the package variables that are declared as state.
func variables(p pkg) (state []string) {
	for _, f := range p.files {
		for _, decl := range f.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.VAR {
				continue
			}
			for _, spec := range group.Specs {
				if v := spec.(*ast.ValueSpec); isState(v) && !embeds(group.Doc) && !embeds(v.Doc) {
					state = append(state, v.Names[0].Name)
				}
			}
		}
	}
	return state
}

// isState tells a variable that begins empty, or as something that only makes sense when changed.
func isState(v *ast.ValueSpec) bool {
	if len(v.Values) == 0 {
		return true
	}
	return slices.ContainsFunc(v.Values, func(value ast.Expr) bool {
		switch value := value.(type) {
		case *ast.CallExpr:
			name, ok := value.Fun.(*ast.Ident)
			return ok && (name.Name == "make" || name.Name == "new")
		case *ast.CompositeLit:
			kind, ok := value.Type.(*ast.SelectorExpr)
			return ok && slices.Contains([]string{"sync", "atomic"}, kind.X.(*ast.Ident).Name)
		}
		return false
	})
}

func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// assigned returns the package variables that a function of the package assigns to. Imports are
// not resolved: what a name means inside the package is known without them.
func assigned(p pkg) (names []string) {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	checker := types.Config{Importer: noImports{}, Error: func(error) {}}
	checked, _ := checker.Check(p.path, p.fileset, p.files, info)
	written := func(target ast.Expr) {
		if name := root(target); name != nil && checked.Scope() == parent(info.Uses[name]) {
			names = append(names, name.Name)
		}
	}
	for _, f := range p.files {
		ast.Inspect(f, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.AssignStmt:
				for _, target := range node.Lhs {
					written(target)
				}
			case *ast.IncDecStmt:
				written(node.X)
			}
			return true
		})
	}
	return names
}

// root is the variable that an assignment to target changes: v in v.f[i] = x; nil where there is
// none to name.
func root(target ast.Expr) *ast.Ident {
	switch target := target.(type) {
	case *ast.Ident:
		return target
	case *ast.IndexExpr:
		return root(target.X)
	case *ast.SelectorExpr:
		return root(target.X)
	case *ast.ParenExpr:
		return root(target.X)
	}
	return nil
}

func parent(o types.Object) *types.Scope {
	if o == nil {
		return nil
	}
	return o.Parent()
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not resolved") }
