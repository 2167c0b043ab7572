/** Decisions about a definition that its conditions show, as upstream's controllers take them. */
import type {
  CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames,
} from "@raft2kube/api/gen/apiextensions/v1.ts";

export interface AcceptedNames {
  readonly names: CustomResourceDefinitionNames;
  readonly namesAccepted: CustomResourceDefinitionCondition;
  readonly established: CustomResourceDefinitionCondition;
}

/**
 * The names that a definition gets, among the other definitions of its group, in any order: a name
 * that another one has accepted is refused, and the old one stays.
 */
export function acceptNames(
  _crd: CustomResourceDefinition, _others: readonly CustomResourceDefinition[],
): AcceptedNames {
  throw new Error("not written yet");
}

/** The condition NonStructuralSchema; undefined when all schemas are structural. */
export function nonStructural(
  _crd: CustomResourceDefinition,
): CustomResourceDefinitionCondition | undefined {
  throw new Error("not written yet");
}

/** The condition KubernetesAPIApprovalPolicyConformant; undefined outside Kubernetes' groups. */
export function approval(
  _crd: CustomResourceDefinition,
): CustomResourceDefinitionCondition | undefined {
  throw new Error("not written yet");
}

/** Sets a condition in place, with the time of its last change of status. Returns whether it changed. */
export function setCondition(
  _crd: CustomResourceDefinition, _condition: CustomResourceDefinitionCondition, _now: string,
): boolean {
  throw new Error("not written yet");
}

/** Whether a condition of a type is True. */
export function hasCondition(crd: CustomResourceDefinition, type: string): boolean {
  return (crd.status?.conditions ?? []).some((each) => each.type === type && each.status === "True");
}

/** `status.storedVersions` after the definition is written: the storage version joins those known. */
export function storedVersionsAfter(crd: CustomResourceDefinition): string[] {
  const known = crd.status?.storedVersions ?? [];
  const storage = crd.spec.versions.find((each) => each.storage)?.name;
  return storage === undefined || known.includes(storage) ? known : [...known, storage];
}
