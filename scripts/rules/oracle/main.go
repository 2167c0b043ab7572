// Answers what upstream's own rules say about objects: one JSON object to a line in, one answer to a
// line out. Each is decoded, defaulted, prepared for creation and validated, as kube-apiserver does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	_ "k8s.io/kubernetes/pkg/apis/coordination/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	_ "k8s.io/kubernetes/pkg/apis/discovery/install"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	_ "k8s.io/kubernetes/pkg/apis/node/install"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	_ "k8s.io/kubernetes/pkg/apis/scheduling/install"
	_ "k8s.io/kubernetes/pkg/apis/storage/install"
	"k8s.io/kubernetes/pkg/capabilities"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/discovery/endpointslice"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
)

var strategies = map[string]rest.RESTCreateStrategy{
	"Pod": pod.Strategy, "Service": service.Strategy, "ConfigMap": configmap.Strategy, "Secret": secret.Strategy,
	"Namespace": namespace.Strategy, "Node": node.Strategy, "PersistentVolume": persistentvolume.Strategy,
	"PersistentVolumeClaim": persistentvolumeclaim.Strategy, "Deployment": deployment.Strategy, "ReplicaSet": replicaset.Strategy,
	"StatefulSet": statefulset.Strategy, "DaemonSet": daemonset.Strategy, "Job": job.Strategy, "CronJob": cronjob.Strategy,
	"Ingress": ingress.Strategy, "NetworkPolicy": networkpolicy.Strategy, "PodDisruptionBudget": poddisruptionbudget.Strategy,
	"ClusterRole": clusterrole.Strategy, "RoleBinding": rolebinding.Strategy, "StorageClass": storageclass.Strategy,
	"EndpointSlice": endpointslice.Strategy, "HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy,
}

// A question: may this object be created, or, when there is an old one, take its place?
type question struct {
	Object json.RawMessage `json:"object"`
	Old    json.RawMessage `json:"old"`
}

type answer struct {
	Error  string  `json:"error,omitempty"`
	Errors []cause `json:"errors"`
}

type cause struct {
	Type    string `json:"type"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

func main() {
	capabilities.Setup(true, 0)
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if err := out.Encode(ask(in.Bytes())); err != nil {
			panic(err)
		}
	}
	if err := in.Err(); err != nil {
		panic(err)
	}
}

func ask(line []byte) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a = answer{Error: fmt.Sprint("panic: ", r)}
		}
	}()
	var asked question
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	object, ctx, strategy, err := read(asked.Object)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if asked.Old == nil {
		metadata, err := meta.Accessor(object)
		if err != nil {
			return answer{Error: err.Error()}
		}
		rest.FillObjectMetaSystemFields(metadata)
		return answer{Errors: causes(rest.BeforeCreate(strategy, ctx, object))}
	}
	old, _, _, err := read(asked.Old)
	if err != nil {
		return answer{Error: err.Error()}
	}
	strategy.PrepareForCreate(ctx, old)
	update, ok := strategy.(rest.RESTUpdateStrategy)
	if !ok {
		return answer{Error: "no update strategy"}
	}
	return answer{Errors: causes(rest.BeforeUpdate(update, ctx, object, old))}
}

func read(text []byte) (runtime.Object, context.Context, rest.RESTCreateStrategy, error) {
	external, gvk, err := legacyscheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	legacyscheme.Scheme.Default(external)
	internalVersion := schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal}
	internal, err := legacyscheme.Scheme.ConvertToVersion(external, internalVersion)
	if err != nil {
		return nil, nil, nil, err
	}
	metadata, err := meta.Accessor(internal)
	if err != nil {
		return nil, nil, nil, err
	}
	info := &genericapirequest.RequestInfo{APIGroup: gvk.Group, APIVersion: gvk.Version}
	ctx := genericapirequest.WithNamespace(context.Background(), metadata.GetNamespace())
	return internal, genericapirequest.WithRequestInfo(ctx, info), strategies[gvk.Kind], nil
}

func causes(err error) []cause {
	found := []cause{}
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		if err != nil {
			panic(err)
		}
		return found
	}
	for _, each := range status.Status().Details.Causes {
		found = append(found, cause{string(each.Type), each.Field, each.Message})
	}
	return found
}
