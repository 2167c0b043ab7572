/** The schemas of custom resources as OpenAPI publishes them. */
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";

type Json = { [key: string]: unknown };

/** The definitions of one version: of the kind and of its list, by name. */
export interface Definitions {
  /** `com.example.stable.v1.CronTab`. */
  readonly name: string;
  readonly listName: string;
  /** Both schemas, with references to `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta` etc. */
  readonly schemas: Readonly<Record<string, Json>>;
}

/** The definitions of a version in the dialect of a document. Version 2 lacks what it cannot say. */
export function definitionsOf(
  _crd: CustomResourceDefinition, _version: string, _dialect: "v2" | "v3",
): Definitions {
  throw new Error("not written yet");
}
