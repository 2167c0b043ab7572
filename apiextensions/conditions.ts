/** Decisions about a definition that its conditions show, as upstream's controllers take them. */
import { isDeepStrictEqual } from "node:util";
import { invalid, messageOfField } from "@raft2kube/api/errors.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { approvalOf } from "./definition/approval.ts";
import { unstructured, validateStructural } from "./definition/structural-rules.ts";

type Condition = CustomResourceDefinitionCondition;

/** The names that a definition gets, and the conditions that say so. */
export interface AcceptedNames {
  readonly names: CustomResourceDefinitionNames;
  readonly namesAccepted: Condition;
  readonly established: Condition;
}

/**
 * The names that a definition gets, among the other definitions of its group, in any order: a name
 * that another one has accepted is refused, and the old one stays.
 */
export function acceptNames(
  crd: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
): AcceptedNames {
  const wanted = crd.spec.names;
  const accepted = crd.status?.acceptedNames ?? { plural: "", kind: "" };
  const taken = new Set<string>();
  const takenKinds = new Set<string>();
  for (const { status } of others) {
    const { plural, singular, shortNames, kind, listKind } = status?.acceptedNames ?? {};
    for (const name of [plural, singular, ...(shortNames ?? [])]) taken.add(name ?? "");
    for (const name of [kind, listKind]) takenKinds.add(name ?? "");
  }
  const names: CustomResourceDefinitionNames = { ...accepted };
  let refusal: Pick<Condition, "reason" | "message"> | undefined;
  const settle = (field: "plural" | "singular" | "kind" | "listKind", used: Set<string>): void => {
    const name = wanted[field] ?? "";
    if (name !== (accepted[field] ?? "") && used.has(name)) {
      const reason = `${field[0]!.toUpperCase()}${field.slice(1)}Conflict`;
      refusal = { reason, message: `${JSON.stringify(name)} is already in use` };
    } else if (wanted[field] === undefined) delete names[field];
    else names[field] = name;
  };
  settle("plural", taken);
  settle("singular", taken);
  const shorts = conflictsOf(wanted.shortNames, accepted.shortNames, taken);
  if (shorts !== undefined) refusal = { reason: "ShortNamesConflict", message: shorts };
  else if (wanted.shortNames === undefined) delete names.shortNames;
  else names.shortNames = wanted.shortNames;
  settle("kind", takenKinds);
  settle("listKind", takenKinds);
  if (wanted.categories === undefined) delete names.categories;
  else names.categories = wanted.categories;
  const namesAccepted: Condition = {
    type: "NamesAccepted",
    status: refusal === undefined ? "True" : "False",
    ...(refusal ?? { reason: "NoConflicts", message: "no conflicts found" }),
  };
  return { names, namesAccepted, established: establishedOf(crd, refusal === undefined) };
}

/**
 * Names the wanted short names that another definition has, each once: `"w" is already in use`,
 * several as `["w" is already in use, "x" is already in use]`; undefined when there is none. Names
 * that were accepted before pass.
 */
function conflictsOf(
  wanted: readonly string[] | undefined,
  accepted: readonly string[] = [],
  taken: ReadonlySet<string>,
): string | undefined {
  // lab:21 begin conflicts-of
  if (isDeepStrictEqual(wanted ?? [], accepted)) return undefined;
  const used = (wanted ?? []).filter((name) => !accepted.includes(name) && taken.has(name));
  const texts = [...new Set(used)].map((name) => `${JSON.stringify(name)} is already in use`);
  return texts.length > 1 ? `[${texts.join(", ")}]` : texts[0];
  // lab:21 end
}

/**
 * The condition Established. One that is True stays: a later conflict of names takes no objects
 * away. Otherwise names that are accepted make it False with reason Installing, until the kind is
 * served; without them an old condition stays, else it is False with reason NotAccepted.
 */
function establishedOf(crd: CustomResourceDefinition, accepted: boolean): Condition {
  // lab:21 begin established-of
  const old = crd.status?.conditions.find(({ type }) => type === "Established");
  if (old?.status === "True") return old;
  if (accepted) {
    return {
      type: "Established",
      status: "False",
      reason: "Installing",
      message: "the initial names have been accepted",
    };
  }
  return (
    old ?? {
      type: "Established",
      status: "False",
      reason: "NotAccepted",
      message: "not all names are accepted",
    }
  );
  // lab:21 end
}

/** The condition NonStructuralSchema; undefined when all schemas are structural. */
export function nonStructural({ spec }: CustomResourceDefinition): Condition | undefined {
  const type = "NonStructuralSchema";
  const errors =
    spec.preserveUnknownFields === true
      ? [invalid("spec.preserveUnknownFields", true, "must be false")]
      : [];
  for (const [index, { name, schema }] of spec.versions.entries()) {
    const props = schema?.openAPIV3Schema;
    if (props === undefined) continue;
    const why = unstructured(props);
    if (why !== undefined) {
      return {
        type,
        status: "Unknown",
        reason: "StructuralError",
        message: `failed to check validation schema for version ${name}: ${why}`,
      };
    }
    errors.push(...validateStructural(props, `spec.versions[${index}].schema.openAPIV3Schema`));
  }
  if (errors.length === 0) return undefined;
  const texts = [...new Set(errors.map(messageOfField))];
  const message = texts.length > 1 ? `[${texts.join(", ")}]` : texts[0]!;
  return { type, status: "True", reason: "Violations", message };
}

/** The condition KubernetesAPIApprovalPolicyConformant; undefined outside Kubernetes' groups. */
export function approval(crd: CustomResourceDefinition): Condition | undefined {
  const found = approvalOf(crd);
  return (
    found && {
      type: "KubernetesAPIApprovalPolicyConformant",
      status: found.state === "Approved" ? "True" : "False",
      reason: `${found.state}Annotation`,
      message: found.why,
    }
  );
}

/**
 * Sets a condition, in place, with the time of its last change of status. Returns whether it
 * changed.
 */
export function setCondition(
  crd: CustomResourceDefinition,
  condition: Condition,
  now: string,
): boolean {
  crd.status ??= { conditions: [], acceptedNames: { plural: "", kind: "" }, storedVersions: [] };
  const { conditions } = crd.status;
  const at = conditions.findIndex(({ type }) => type === condition.type);
  const old = conditions[at];
  const kept = old?.status === condition.status ? old.lastTransitionTime : undefined;
  const { type, status, reason, message } = condition;
  const next: Condition = {
    ...old,
    type,
    status,
    lastTransitionTime: kept ?? now,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
  if (old === undefined) conditions.push(next);
  else conditions[at] = next;
  return !isDeepStrictEqual(old, next);
}
