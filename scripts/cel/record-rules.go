package cel

import (
	"encoding/json"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
)

func recordLine(variable string, value any) {
	line, err := json.Marshal(value)
	if err != nil {
		return // A value that JSON has no form for.
	}
	file, err := os.OpenFile(os.Getenv(variable), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// recordValidation writes down what a validator said about an object.
func recordValidation(v *Validator, path *field.Path, obj, old any, ratchets bool, budget int64, errs field.ErrorList, left int64) {
	if v == nil {
		return
	}
	type failure struct{ Type, Field, Detail string }
	found := []failure{}
	for _, e := range errs {
		found = append(found, failure{string(e.Type), e.Field, e.Detail})
	}
	recordLine("VALIDATIONS", map[string]any{
		"schema": v.Schema.ToKubeOpenAPI(), "root": v.isResourceRoot, "limit": v.recordedLimit, "path": path.String(),
		"object": obj, "old": old, "ratchets": ratchets, "budget": budget, "errors": found, "left": left,
	})
}

// recordCompilation writes down what compiling the rules of one place of a schema gave.
func recordCompilation(s *schema.Structural, declared *apiservercel.DeclType, limit uint64, results []CompilationResult, err error) ([]CompilationResult, error) {
	if err != nil || declared == nil {
		return results, err
	}
	type result struct {
		Error        string `json:"error,omitempty"`
		Cost         uint64 `json:"cost,omitempty"`
		Cardinality  uint64 `json:"cardinality,omitempty"`
		UsesOld      bool   `json:"usesOld,omitempty"`
		MessageError string `json:"messageError,omitempty"`
		MessageCost  uint64 `json:"messageCost,omitempty"`
		FieldPath    string `json:"fieldPath,omitempty"`
	}
	found := []result{}
	for _, r := range results {
		one := result{
			Cost: r.MaxCost, Cardinality: r.MaxCardinality, UsesOld: r.UsesOldSelf, MessageCost: r.MessageExpressionMaxCost,
			FieldPath: r.NormalizedRuleFieldPath,
		}
		if r.Error != nil {
			one.Error = r.Error.Detail
		}
		if r.MessageExpressionError != nil {
			one.MessageError = r.MessageExpressionError.Detail
		}
		found = append(found, one)
	}
	recordLine("COMPILATIONS", map[string]any{"schema": s.ToKubeOpenAPI(), "limit": limit, "results": found})
	return results, err
}
