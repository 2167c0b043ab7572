// Answers what upstream's CEL environment says about expressions: one JSON string to a line in, one
// answer to a line out: errors of compilation, or the estimated cost, the actual cost and the result.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type answer struct {
	Compile  string `json:"compile,omitempty"`
	Estimate string `json:"estimate,omitempty"`
	Cost     uint64 `json:"cost,omitempty"`
	Error    string `json:"error,omitempty"`
	Value    string `json:"value,omitempty"`
}

// Sizes of the variables, as a schema would give them.
type sizes struct{}

func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	switch strings.Join(node.Path(), ".") {
	case "texts", "numbers":
		return &checker.SizeEstimate{Min: 0, Max: 100}
	case "texts.@items", "text":
		return &checker.SizeEstimate{Min: 0, Max: 20}
	case "labels":
		return &checker.SizeEstimate{Min: 0, Max: 10}
	}
	switch node.Type().Kind() {
	case types.StringKind, types.BytesKind:
		return &checker.SizeEstimate{Min: 0, Max: 12}
	}
	return nil
}

func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

type allower struct{}

func (allower) Authorize(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
	if asked.GetVerb() == "fail" {
		return authorizer.DecisionNoOpinion, "", fmt.Errorf("the authorizer failed")
	}
	if asked.GetVerb() == "deny" {
		return authorizer.DecisionDeny, "denied", nil
	}
	return authorizer.DecisionAllow, "allowed " + asked.GetUser().GetName(), nil
}

func shown(value ref.Val) string {
	switch each := value.(type) {
	case types.Uint:
		return fmt.Sprintf("%du", uint64(each))
	case types.String:
		text, _ := json.Marshal(string(each))
		return string(text)
	case types.Bytes:
		return fmt.Sprintf("b%x", []byte(each))
	case types.Null:
		return "null"
	case *types.Optional:
		if !each.HasValue() {
			return "none"
		}
		return "optional(" + shown(each.GetValue()) + ")"
	case types.Duration:
		return fmt.Sprintf("duration(%d)", each.Duration.Nanoseconds())
	case types.Timestamp:
		return fmt.Sprintf("timestamp(%d)", each.Time.UnixNano())
	case *types.Type:
		return "type(" + each.TypeName() + ")"
	case traits.Lister:
		items := []string{}
		for it := each.Iterator(); it.HasNext() == types.True; {
			items = append(items, shown(it.Next()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case traits.Mapper:
		entries := []string{}
		for it := each.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			entries = append(entries, shown(key)+": "+shown(each.Get(key)))
		}
		sort.Strings(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case types.Int, types.Double, types.Bool:
		return fmt.Sprint(each.Value())
	}
	return "<" + value.Type().TypeName() + ">"
}

func main() {
	set, err := environment.MustBaseEnvSet(version.MajorMinor(1, 36)).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 36),
		EnvOptions: []cel.EnvOption{
			library.JSONPatch(),
			cel.Variable("authorizer", library.AuthorizerType),
			cel.Variable("text", cel.StringType),
			cel.Variable("texts", cel.ListType(cel.StringType)),
			cel.Variable("numbers", cel.ListType(cel.IntType)),
			cel.Variable("labels", cel.MapType(cel.StringType, cel.StringType)),
			cel.Variable("any", cel.DynType),
		},
	})
	if err != nil {
		panic(err)
	}
	env := set.StoredExpressionsEnv()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var expression string
		if err := json.Unmarshal(lines.Bytes(), &expression); err != nil {
			panic(err)
		}
		line, _ := json.Marshal(answerOf(env, expression))
		fmt.Println(string(line))
	}
}

func answerOf(env *cel.Env, expression string) (found answer) {
	compiled, issues := env.Compile(expression)
	if issues != nil && issues.Err() != nil {
		return answer{Compile: issues.Err().Error()}
	}
	estimator := &library.CostEstimator{SizeEstimator: sizes{}}
	if cost, err := env.EstimateCost(compiled, estimator); err == nil {
		found.Estimate = fmt.Sprintf("%d..%d", cost.Min, cost.Max)
	}
	program, err := env.Program(compiled, cel.CostLimit(10_000_000), cel.CostTracking(estimator))
	if err != nil {
		found.Error = "program: " + err.Error()
		return found
	}
	value, details, err := program.Eval(map[string]any{
		"authorizer": library.NewAuthorizerVal(&user.DefaultInfo{Name: "alice"}, allower{}),
		"text":       "Hello, w\u00f6rld \U0001f600",
		"texts":      []string{"b", "a", "ccc", "a"},
		"numbers":    []int64{3, 1, 2},
		"labels":     map[string]string{"app": "web", "tier": "front"},
		"any":        []any{int64(1), "two", 3.5, nil, true},
	})
	if details != nil && details.ActualCost() != nil {
		found.Cost = *details.ActualCost()
	}
	if err != nil {
		found.Error = err.Error()
		return found
	}
	found.Value = shown(value)
	return found
}
