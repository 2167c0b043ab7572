/** Where the facts come from, and the short names we give to upstream's packages. */

/** One version of one API group: its Go package and our name for it (`rbac/v1`). */
export interface ApiPackage {
  readonly name: string;
  readonly group: string;
  readonly module: string;
  readonly path: string;
}

/** The level of the API, as the modules' versions spell it. */
export const STAGING_VERSION = "v0.36.0";
export const KUBERNETES_VERSION = "v1.36.0";

export const versionOf = (module: string): string =>
  module === "k8s.io/kubernetes" ? KUBERNETES_VERSION : STAGING_VERSION;

/** Folder, group and versions inside the module k8s.io/api. */
const API_GROUPS: readonly (readonly [string, string, readonly string[]])[] = [
  ["core", "", ["v1"]],
  ["admission", "admission.k8s.io", ["v1"]],
  ["admissionregistration", "admissionregistration.k8s.io", ["v1"]],
  ["apidiscovery", "apidiscovery.k8s.io", ["v2"]],
  ["apps", "apps", ["v1"]],
  ["authentication", "authentication.k8s.io", ["v1"]],
  ["authorization", "authorization.k8s.io", ["v1"]],
  ["autoscaling", "autoscaling", ["v1", "v2"]],
  ["batch", "batch", ["v1"]],
  ["certificates", "certificates.k8s.io", ["v1"]],
  ["coordination", "coordination.k8s.io", ["v1"]],
  ["discovery", "discovery.k8s.io", ["v1"]],
  ["events", "events.k8s.io", ["v1"]],
  ["flowcontrol", "flowcontrol.apiserver.k8s.io", ["v1"]],
  ["networking", "networking.k8s.io", ["v1"]],
  ["node", "node.k8s.io", ["v1"]],
  ["policy", "policy", ["v1"]],
  ["rbac", "rbac.authorization.k8s.io", ["v1"]],
  ["resource", "resource.k8s.io", ["v1"]],
  ["scheduling", "scheduling.k8s.io", ["v1"]],
  ["storage", "storage.k8s.io", ["v1"]],
];

const PLUGINS = "plugin/pkg/admission";

/**
 * Other modules' packages, then those of configuration files, which are read as objects are: name,
 * group, module and path.
 */
const OTHERS: readonly (readonly [string, string, string, string])[] = [
  ["meta/v1", "meta.k8s.io", "k8s.io/apimachinery", "pkg/apis/meta/v1"],
  [
    "apiextensions/v1",
    "apiextensions.k8s.io",
    "k8s.io/apiextensions-apiserver",
    "pkg/apis/apiextensions/v1",
  ],
  [
    "apiregistration/v1",
    "apiregistration.k8s.io",
    "k8s.io/kube-aggregator",
    "pkg/apis/apiregistration/v1",
  ],
  ["metrics/v1beta1", "metrics.k8s.io", "k8s.io/metrics", "pkg/apis/metrics/v1beta1"],
  ["apiserver/v1", "apiserver.config.k8s.io", "k8s.io/apiserver", "pkg/apis/apiserver/v1"],
  ["audit/v1", "audit.k8s.io", "k8s.io/apiserver", "pkg/apis/audit/v1"],
  ["tracing/v1", "tracing.k8s.io", "k8s.io/component-base", "tracing/api/v1"],
  [
    "kubeadm/v1beta4",
    "kubeadm.k8s.io",
    "k8s.io/kubernetes",
    "cmd/kubeadm/app/apis/kubeadm/v1beta4",
  ],
  [
    "bootstraptoken/v1",
    "kubeadm.k8s.io",
    "k8s.io/kubernetes",
    "cmd/kubeadm/app/apis/bootstraptoken/v1",
  ],
  ["kubelet/v1beta1", "kubelet.config.k8s.io", "k8s.io/kubelet", "config/v1beta1"],
  ["kubeproxy/v1alpha1", "kubeproxy.config.k8s.io", "k8s.io/kube-proxy", "config/v1alpha1"],
  ["componentconfig/v1alpha1", "componentconfig", "k8s.io/component-base", "config/v1alpha1"],
  ["logs/v1", "logs.k8s.io", "k8s.io/component-base", "logs/api/v1"],
  [
    "podsecurity/v1",
    "pod-security.admission.config.k8s.io",
    "k8s.io/pod-security-admission",
    "admission/api/v1",
  ],
  [
    "eventratelimit/v1alpha1",
    "eventratelimit.admission.k8s.io",
    "k8s.io/kubernetes",
    `${PLUGINS}/eventratelimit/apis/eventratelimit/v1alpha1`,
  ],
  [
    "podtolerationrestriction/v1alpha1",
    "podtolerationrestriction.admission.k8s.io",
    "k8s.io/kubernetes",
    `${PLUGINS}/podtolerationrestriction/apis/podtolerationrestriction/v1alpha1`,
  ],
];

export const PACKAGES: readonly ApiPackage[] = [
  ...API_GROUPS.flatMap(([folder, group, versions]) =>
    versions.map((version) => ({
      name: `${folder}/${version}`,
      group,
      module: "k8s.io/api",
      path: `${folder}/${version}`,
    })),
  ),
  ...OTHERS.map(([name, group, module, path]) => ({ name, group, module, path })),
];

const EXTENSIONS = "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1";

/** Go types whose JSON is not what their fields say; `api/codec/special-json.ts` knows each. */
export const SPECIAL_TYPES: Readonly<Record<string, string>> = {
  "k8s.io/apimachinery/pkg/apis/meta/v1.Time": "Time",
  "k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime": "MicroTime",
  "k8s.io/apimachinery/pkg/apis/meta/v1.Duration": "Duration",
  "k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1": "FieldsV1",
  "k8s.io/apimachinery/pkg/api/resource.Quantity": "Quantity",
  "k8s.io/apimachinery/pkg/api/resource.QuantityValue": "Quantity",
  "k8s.io/component-base/logs/api/v1.TimeOrMetaDuration": "IntOrString",
  "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "IntOrString",
  "k8s.io/apimachinery/pkg/runtime.RawExtension": "RawExtension",
  "k8s.io/apimachinery/pkg/runtime.Object": "RawExtension",
  "k8s.io/apimachinery/pkg/runtime.Unknown": "RawExtension",
  [`${EXTENSIONS}.JSON`]: "JSON",
  [`${EXTENSIONS}.JSONSchemaPropsOrArray`]: "SchemaOrArray",
  [`${EXTENSIONS}.JSONSchemaPropsOrBool`]: "SchemaOrBool",
  [`${EXTENSIONS}.JSONSchemaPropsOrStringArray`]: "SchemaOrStrings",
};
