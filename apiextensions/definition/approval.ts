/** Kubernetes' own groups, whose definitions must say that they were reviewed. */
import { type FieldError, invalid, required } from "@raft2kube/api/errors.ts";
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";

const ANNOTATION = "api-approved.kubernetes.io";
const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/;
const SEE = "see https://github.com/kubernetes/enhancements/pull/1111";

interface Approval {
  readonly state: "Invalid" | "Missing" | "Approved" | "Unapproved";
  readonly why: string;
}

/** The review of a definition; undefined outside Kubernetes' groups. */
export function approvalOf({ metadata, spec }: CustomResourceDefinition): Approval | undefined {
  if (!PROTECTED.test(spec.group)) return undefined;
  const text = metadata.annotations?.[ANNOTATION] ?? "";
  const must = `protected groups must have approval annotation "${ANNOTATION}"`;
  if (text === "") return { state: "Missing", why: `${must}, ${SEE}` };
  if (text.startsWith("unapproved")) {
    return { state: "Unapproved", why: `not approved: ${JSON.stringify(text)}` };
  }
  if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#\s]+/.test(text)) {
    return { state: "Approved", why: `approved in ${text}` };
  }
  const either = 'with either a URL or a reason starting with "unapproved"';
  return { state: "Invalid", why: `${must} ${either}, ${SEE}` };
}

/** The errors of an annotation that is missing or makes no sense, unless it was so before. */
export function validateApproval(
  crd: CustomResourceDefinition,
  old?: CustomResourceDefinition,
): FieldError[] {
  const approval = approvalOf(crd);
  if (approval === undefined) return [];
  const { state, why } = approval;
  if (old !== undefined && approvalOf(old)?.state === state) return [];
  const at = `metadata.annotations[${ANNOTATION}]`;
  if (state === "Missing") return [required(at, why)];
  return state === "Invalid" ? [invalid(at, crd.metadata.annotations?.[ANNOTATION], why)] : [];
}
