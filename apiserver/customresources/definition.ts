import { isDeepStrictEqual } from "node:util";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionStatus,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import {
  acceptNames,
  approval,
  nonStructural,
  setCondition,
} from "@raft2kube/apiextensions/conditions.ts";
import type { Resource } from "../resource/resource.ts";
import type { Resources } from "../resource/resources.ts";

export type Definition = CustomResourceDefinition & KubeObject;

/** The resource of the definitions themselves. */
export function definitionsIn(resources: Resources): Resource {
  return resources.of("apiextensions.k8s.io/v1", "customresourcedefinitions");
}

/** A definition without its schemas, which are most of it: for decisions about names. */
export function outlineOf(crd: Definition): Definition {
  const versions = crd.spec.versions.map(({ name, served, storage }) => ({
    name,
    served,
    storage,
  }));
  return { ...crd, spec: { ...crd.spec, versions } };
}

/**
 * Whether objects of a definition are served: upstream's handler asks for the same conditions. The
 * plural in the status, which clients can write, decides where objects lie: it must be the spec's.
 */
export const isServed = (crd: CustomResourceDefinition): boolean =>
  crd.status?.acceptedNames?.plural === crd.spec.names.plural &&
  (isTrue(crd, "NamesAccepted") || isTrue(crd, "Established"));

export function isTrue(crd: CustomResourceDefinition, type: string): boolean {
  return conditionsOf(crd).some((each) => each.type === type && each.status === "True");
}

function conditionsOf({
  status,
}: CustomResourceDefinition): readonly CustomResourceDefinitionCondition[] {
  return status?.conditions ?? [];
}

const ESTABLISHED: CustomResourceDefinitionCondition = {
  type: "Established",
  status: "True",
  reason: "InitialNamesAccepted",
  message: "the initial names have been accepted",
};

/** Conditions that are absent where there is nothing to say. */
const FINDINGS = {
  NonStructuralSchema: nonStructural,
  KubernetesAPIApprovalPolicyConformant: approval,
} as const;

/**
 * Plans the status of a definition among the other definitions of its group: the names that it
 * gets, and all conditions but Terminating. Upstream has a controller for each; together they take
 * one write. Returns the definition itself when it has that status.
 */
export function withStatus(
  crd: Definition,
  others: readonly Definition[],
  now: string,
): Definition {
  const next = { ...crd, status: structuredClone(crd.status ?? NO_STATUS) };
  const { names, namesAccepted, established } = acceptNames(crd, others);
  next.status.acceptedNames = names;
  setCondition(next, namesAccepted, now);
  const isAccepted = namesAccepted.status === "True";
  setCondition(next, isAccepted ? ESTABLISHED : established, now);
  for (const [type, find] of Object.entries(FINDINGS)) {
    const finding = find(crd);
    if (finding !== undefined) setCondition(next, finding, now);
    else next.status.conditions = next.status.conditions.filter((each) => each.type !== type);
  }
  return isDeepStrictEqual(next.status, crd.status) ? crd : next;
}

const NO_STATUS: CustomResourceDefinitionStatus = {
  conditions: [],
  acceptedNames: { kind: "", plural: "" },
  storedVersions: [],
};
