// Prints the tables of a Go test (`cases := []struct{...}{...}`) and the plain assignments before
// them as JSON: calls, composites, literals and names. Use: go run read-cases.go FUNCTION < FILE
package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
)

func tree(expr ast.Expr) any {
	switch e := expr.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			if err != nil {
				panic(err)
			}
			return map[string]any{"string": text}
		}
		return map[string]any{"number": e.Value}
	case *ast.Ident:
		return map[string]any{"name": e.Name}
	case *ast.SelectorExpr:
		return map[string]any{"name": e.X.(*ast.Ident).Name + "." + e.Sel.Name}
	case *ast.UnaryExpr:
		return tree(e.X)
	case *ast.CallExpr:
		return map[string]any{"call": tree(e.Fun), "args": trees(e.Args)}
	case *ast.CompositeLit:
		fields := []any{}
		for _, each := range e.Elts {
			if pair, ok := each.(*ast.KeyValueExpr); ok {
				fields = append(fields, []any{tree(pair.Key), tree(pair.Value)})
			} else {
				fields = append(fields, tree(each))
			}
		}
		_, isList := e.Type.(*ast.ArrayType)
		return map[string]any{"composite": fields, "list": isList}
	default:
		return map[string]any{"code": true}
	}
}

func trees(list []ast.Expr) []any {
	result := []any{}
	for _, each := range list {
		result = append(result, tree(each))
	}
	return result
}

func main() {
	file, err := parser.ParseFile(token.NewFileSet(), "stdin", os.Stdin, 0)
	if err != nil {
		panic(err)
	}
	result := map[string]any{}
	for _, each := range file.Decls {
		function, ok := each.(*ast.FuncDecl)
		if !ok || function.Name.Name != os.Args[1] {
			continue
		}
		for _, statement := range function.Body.List {
			if assignment, ok := statement.(*ast.AssignStmt); ok && len(assignment.Lhs) == 1 {
				result[assignment.Lhs[0].(*ast.Ident).Name] = tree(assignment.Rhs[0])
			}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		panic(err)
	}
}
