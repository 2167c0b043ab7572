/** How OpenAPI names the structures of the facts: by their Go packages, read backwards. */
import type { Special } from "@raft2kube/api/schema.ts";

const PACKAGES: Readonly<Record<string, string>> = {
  "meta/v1": "io.k8s.apimachinery.pkg.apis.meta.v1",
  "apiextensions/v1": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
  "metrics/v1beta1": "io.k8s.metrics.pkg.apis.metrics.v1beta1",
  "apiregistration/v1": "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1",
};

/** `core/v1.Pod` as `io.k8s.api.core.v1.Pod`. */
export function definitionName(schema: string): string {
  const dot = schema.indexOf(".");
  const from = schema.slice(0, dot);
  const prefix = PACKAGES[from] ?? `io.k8s.api.${from.replace("/", ".")}`;
  return `${prefix}${schema.slice(dot)}`;
}

const META = "io.k8s.apimachinery.pkg.apis.meta.v1";
const EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

export const SPECIAL_NAMES: Readonly<Record<Special, string>> = {
  Time: `${META}.Time`,
  MicroTime: `${META}.MicroTime`,
  Duration: `${META}.Duration`,
  FieldsV1: `${META}.FieldsV1`,
  Quantity: "io.k8s.apimachinery.pkg.api.resource.Quantity",
  IntOrString: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
  RawExtension: "io.k8s.apimachinery.pkg.runtime.RawExtension",
  JSON: `${EXTENSIONS}.JSON`,
  SchemaOrArray: `${EXTENSIONS}.JSONSchemaPropsOrArray`,
  SchemaOrBool: `${EXTENSIONS}.JSONSchemaPropsOrBool`,
  SchemaOrStrings: `${EXTENSIONS}.JSONSchemaPropsOrStringArray`,
};
