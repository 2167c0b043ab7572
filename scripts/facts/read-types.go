// Reads the type declarations of Go packages and prints them as JSON: names, types, tags, markers.
// Sentences of comments are left behind; only marker lines ("+optional") are kept.
// Use: go run read-types.go IMPORT/PATH=DIRECTORY ...
package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"reflect"
	"strconv"
	"strings"
)

type field struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	JSON     string   `json:"json"`
	Protobuf string   `json:"protobuf"`
	Strategy string   `json:"patchStrategy,omitempty"`
	MergeKey string   `json:"patchMergeKey,omitempty"`
	Embedded bool     `json:"embedded,omitempty"`
	Markers  []string `json:"markers,omitempty"`
}

type declaration struct {
	Name    string   `json:"name"`
	Struct  bool     `json:"struct"`
	Type    string   `json:"type,omitempty"`
	Fields  []field  `json:"fields,omitempty"`
	Markers []string `json:"markers,omitempty"`
	Values  []string `json:"values,omitempty"`
}

type goPackage struct {
	Path  string         `json:"path"`
	Types []*declaration `json:"types"`
}

func main() {
	var packages []goPackage
	for _, argument := range os.Args[1:] {
		importPath, directory, ok := strings.Cut(argument, "=")
		if !ok {
			fail(fmt.Errorf("argument %q is not IMPORT/PATH=DIRECTORY", argument))
		}
		packages = append(packages, read(importPath, directory))
	}
	if err := json.NewEncoder(os.Stdout).Encode(packages); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "read-types:", err)
	os.Exit(1)
}

func read(importPath, directory string) goPackage {
	entries, err := os.ReadDir(directory)
	if err != nil {
		fail(err)
	}
	result := goPackage{Path: importPath}
	values := map[string][]string{}
	for _, entry := range entries {
		name := entry.Name()
		generated := strings.HasPrefix(name, "zz_") || strings.HasPrefix(name, "generated")
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || generated {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path.Join(directory, name), nil, parser.ParseComments)
		if err != nil {
			fail(err)
		}
		readFile(file, set, importPath, &result, values)
	}
	for _, each := range result.Types {
		each.Values = values[each.Name]
	}
	return result
}

func readFile(
	file *ast.File, set *token.FileSet, here string, into *goPackage, values map[string][]string,
) {
	imports := map[string]string{}
	for _, each := range file.Imports {
		full, _ := strconv.Unquote(each.Path.Value)
		name := path.Base(full)
		if each.Name != nil {
			name = each.Name.Name
		}
		imports[name] = full
	}
	for _, each := range file.Decls {
		general, ok := each.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch typed := spec.(type) {
			case *ast.TypeSpec:
				marks := append(before(file, set, general.Pos()), markers(typed.Doc)...)
				into.Types = append(into.Types, declare(typed, marks, here, imports))
			case *ast.ValueSpec:
				collect(typed, values)
			}
		}
	}
}

// Markers may stand in comments apart from the type's own, up to two blank lines above it.
func before(file *ast.File, set *token.FileSet, position token.Pos) []string {
	var found []string
	line := set.Position(position).Line
	for i := len(file.Comments) - 1; i >= 0; i-- {
		group := file.Comments[i]
		if group.Pos() >= position || set.Position(group.End()).Line < line-2 {
			continue
		}
		found = append(markers(group), found...)
		line = set.Position(group.Pos()).Line
	}
	return found
}

func markers(group *ast.CommentGroup) []string {
	var found []string
	if group == nil {
		return found
	}
	for _, each := range group.List {
		text := strings.TrimSpace(strings.TrimPrefix(each.Text, "//"))
		if strings.HasPrefix(text, "+") {
			found = append(found, text[1:])
		}
	}
	return found
}

func collect(spec *ast.ValueSpec, values map[string][]string) {
	name, ok := spec.Type.(*ast.Ident)
	if !ok {
		return
	}
	for _, each := range spec.Values {
		literal, ok := each.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			continue
		}
		text, err := strconv.Unquote(literal.Value)
		if err != nil {
			fail(err)
		}
		values[name.Name] = append(values[name.Name], text)
	}
}

func declare(
	spec *ast.TypeSpec, marks []string, here string, imports map[string]string,
) *declaration {
	result := &declaration{Name: spec.Name.Name, Markers: marks}
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		result.Type = expression(spec.Type, here, imports)
		return result
	}
	result.Struct = true
	for _, each := range structure.Fields.List {
		read := field{Type: expression(each.Type, here, imports), Markers: markers(each.Doc)}
		if each.Tag != nil {
			text, _ := strconv.Unquote(each.Tag.Value)
			tag := reflect.StructTag(text)
			read.JSON, read.Protobuf = tag.Get("json"), tag.Get("protobuf")
			read.Strategy, read.MergeKey = tag.Get("patchStrategy"), tag.Get("patchMergeKey")
		}
		if len(each.Names) == 0 {
			read.Embedded = true
			result.Fields = append(result.Fields, read)
		}
		for _, name := range each.Names {
			named := read
			named.Name = name.Name
			result.Fields = append(result.Fields, named)
		}
	}
	return result
}

// A type as text: "*k8s.io/api/core/v1.Pod", "[]string", "map[string]uint8"; own types in full too.
func expression(of ast.Expr, here string, imports map[string]string) string {
	switch typed := of.(type) {
	case *ast.Ident:
		if ast.IsExported(typed.Name) {
			return here + "." + typed.Name
		}
		return typed.Name
	case *ast.SelectorExpr:
		return imports[typed.X.(*ast.Ident).Name] + "." + typed.Sel.Name
	case *ast.StarExpr:
		return "*" + expression(typed.X, here, imports)
	case *ast.ArrayType:
		return "[]" + expression(typed.Elt, here, imports)
	case *ast.MapType:
		return "map[" + expression(typed.Key, here, imports) + "]" +
			expression(typed.Value, here, imports)
	case *ast.InterfaceType:
		return "interface{}"
	default:
		return "other"
	}
}
