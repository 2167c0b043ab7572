// Records what upstream does with values under schemas of custom resources: which fields it prunes,
// which defaults it fills in, and its errors.
//
//	cd scripts/peers/kubernetes && go run ../../schemas/record.go \
//	  ../../../apiextensions/testdata/cases.yaml > ../../../apiextensions/testdata/recorded.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/common"
	"sigs.k8s.io/yaml"
)

// A group of cases: values of `spec.x`, and pairs of an old and a new value, under one schema.
type group struct {
	Schema  json.RawMessage
	Values  []json.RawMessage
	Updates [][2]json.RawMessage
}

type answer struct {
	Pruned []string `json:"pruned,omitempty"`
	Result any      `json:"result,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

type answers struct {
	Structural []string `json:"structural,omitempty"`
	Values     []answer `json:"values,omitempty"`
	Updates    []answer `json:"updates,omitempty"`
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func texts(errs field.ErrorList) []string {
	found := []string{}
	for _, e := range errs {
		found = append(found, e.Error())
	}
	sort.Strings(found)
	return found
}

// The object with a value at `spec.x`.
func object(raw json.RawMessage) map[string]any {
	var value any
	if err := utiljson.Unmarshal(append(append([]byte(`{"v":`), raw...), '}'), &value); err != nil {
		panic(err)
	}
	x := value.(map[string]any)["v"]
	return map[string]any{"spec": map[string]any{"x": x}}
}

type subject struct {
	structural *schema.Structural
	validator  validation.SchemaValidator
}

func (s subject) create(raw json.RawMessage) answer {
	given := object(raw)
	result := runtime.DeepCopyJSON(given)
	pruned := pruning.PruneWithOptions(result, s.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(result, s.structural)
	defaulting.Default(result, s.structural)
	errs := validation.ValidateCustomResource(nil, given, s.validator)
	errs = append(errs, objectmeta.Validate(nil, given, s.structural, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, given)...)
	return answer{Pruned: pruned, Result: result["spec"], Errors: texts(errs)}
}

func (s subject) update(old, next json.RawMessage) answer {
	before, after := object(old), object(next)
	pair := common.NewCorrelatedObject(after, before, &model.Structural{Structural: s.structural})
	return answer{Errors: texts(validation.ValidateCustomResourceUpdate(nil, after, before, s.validator, validation.WithRatcheting(pair)))}
}

func subjectOf(raw json.RawMessage) (subject, []string) {
	var x apiextensionsv1.JSONSchemaProps
	if err := json.Unmarshal(raw, &x); err != nil {
		panic(err)
	}
	whole := apiextensionsv1.JSONSchemaProps{Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
		"spec": {Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{"x": x}},
	}}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(&whole, &internal, nil); err != nil {
		panic(err)
	}
	structural := must(schema.NewStructural(&internal))
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		panic(err)
	}
	return subject{structural, validator}, texts(schema.ValidateStructural(field.NewPath("schema"), structural))
}

func main() {
	var groups []group
	if err := yaml.Unmarshal(must(os.ReadFile(os.Args[1])), &groups); err != nil {
		panic(err)
	}
	recorded := []answers{}
	for _, g := range groups {
		s, wrong := subjectOf(g.Schema)
		one := answers{Structural: wrong}
		for _, value := range g.Values {
			one.Values = append(one.Values, s.create(value))
		}
		for _, pair := range g.Updates {
			one.Updates = append(one.Updates, s.update(pair[0], pair[1]))
		}
		recorded = append(recorded, one)
	}
	out := bytes.Buffer{}
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	fmt.Println("[")
	for i, one := range recorded {
		out.Reset()
		if err := encoder.Encode(one); err != nil {
			panic(err)
		}
		comma := ","
		if i == len(recorded)-1 {
			comma = ""
		}
		fmt.Println(string(bytes.TrimSpace(out.Bytes())) + comma)
	}
	fmt.Println("]")
}
