import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import {
  customStatusStrategy,
  customStrategy,
  type Parts,
} from "@raft2kube/apiextensions/strategy.ts";
import { structuralOf } from "@raft2kube/apiextensions/structural.ts";

export type Value = null | boolean | number | string | readonly Value[] | Members;
interface Members {
  readonly [name: string]: Value;
}

const GROUP = "example.raft2kube.dev";

/** An object whose fields beside the metadata are those given. */
export function website(fields: Members, metadata: KubeObject["metadata"] = {}): KubeObject {
  const object = {
    apiVersion: `${GROUP}/v1`,
    kind: "Website",
    metadata: { name: "a", ...metadata },
    ...fields,
  };
  return structuredClone(object) as KubeObject;
}

const ANY: JSONSchemaProps = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** The parts of a kind that has no rules about its fields. */
const partsOf = (hasStatus: boolean): Parts => ({
  kind: "Website",
  apiVersion: `${GROUP}/v1`,
  namespaced: true,
  hasStatus,
  scale: undefined,
  schema: () => structuralOf(ANY),
  rules: () => undefined,
});

/** The object that is stored when `old` is replaced by `object`. */
export function replaced(old: KubeObject, object: KubeObject, hasStatus = true): KubeObject {
  const result = structuredClone(object);
  customStrategy(partsOf(hasStatus)).prepareUpdate?.(result, old, CONTEXT);
  return result;
}

/** The object that is stored when `object` is written to the status of `old`. */
export function withStatusOf(old: KubeObject, object: KubeObject): KubeObject {
  const result = structuredClone(object);
  customStatusStrategy(partsOf(true)).prepareUpdate(result, old, CONTEXT);
  return result;
}

const CONTEXT = { now_ms: 0 };

/** A definition that wants these names, and has been given those. */
export function definition(
  wanted: Partial<CustomResourceDefinitionNames>,
  given?: Partial<CustomResourceDefinitionNames>,
  established: "True" | "False" | "absent" = given ? "True" : "absent",
): CustomResourceDefinition {
  const names = { plural: "websites", kind: "Website", ...wanted };
  const conditions =
    established === "absent"
      ? []
      : [{ type: "Established", status: established, reason: "InitialNamesAccepted", message: "" }];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${GROUP}` },
    spec: { group: GROUP, scope: "Namespaced", names, versions: [] },
    status: { conditions, storedVersions: [], acceptedNames: { plural: "", kind: "", ...given } },
  };
}
