import { isDeepStrictEqual } from "node:util";
import { forbidden } from "@raft2kube/api/errors.ts";
import type { ParamKind, ParamRef } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { dnsSubdomain } from "@raft2kube/api/validation/names.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf, parseApiVersion } from "@raft2kube/apimachinery/group-version.ts";
import { MASTERS_GROUP } from "../authn/identities.ts";
import type { Resource } from "../resource/resource.ts";
import type { Resources } from "../resource/resources.ts";
import { aboutResource } from "./attributes.ts";
import type { Authorizer } from "./authorizer.ts";

/** The source of users' permissions, and of the kinds and policies that are there. */
export type Readers = { readonly authorizer: Authorizer; readonly resources: Resources };

interface PolicyOrBinding extends KubeObject {
  spec: { paramKind?: ParamKind; policyName?: string; paramRef?: ParamRef };
}

const POLICIES: Readonly<Record<string, string>> = {
  validatingadmissionpolicybindings: "validatingadmissionpolicies",
  mutatingadmissionpolicybindings: "mutatingadmissionpolicies",
};

/**
 * Users may make an admission policy depend only on parameters that they may read, as its messages
 * and verdicts show them: a policy needs `get` of all objects of its paramKind, a binding `get` (by
 * a selector `list`) of those that its paramRef names. An update that changes neither needs no such
 * right. Throws 422, as upstream.
 */
export async function checkParams(
  readers: Readers,
  user: RequestUser,
  resource: Resource,
  object: KubeObject,
  old: KubeObject | undefined,
): Promise<void> {
  const { group, plural } = resource.kind;
  if (group !== "admissionregistration.k8s.io" || user.groups.includes(MASTERS_GROUP)) return;
  const { spec } = object as PolicyOrBinding;
  const before = (old as PolicyOrBinding | undefined)?.spec;
  const refuse = (field: string, why: string) =>
    invalid(resource.kindSubject, object.metadata.name ?? "", [
      forbidden(`spec.${field}`, `user ${user.name} ${why}`),
    ]);
  if (Object.values(POLICIES).includes(plural)) {
    const kind = spec?.paramKind;
    if (kind === undefined || isDeepStrictEqual(kind, before?.paramKind)) return;
    const all = { verb: "get", name: "*", namespace: "*" };
    if (await mayRead(readers, user, kind, all)) return;
    const { kind: name = "", apiVersion = "" } = kind;
    const what = `referenced paramKind (kind=${name}, apiVersion=${apiVersion})`;
    throw refuse("paramKind", `must have "get" permission on all objects of the ${what}`);
  }
  const ref = spec?.paramRef;
  if (!Object.hasOwn(POLICIES, plural) || ref === undefined) return;
  const { policyName } = spec;
  if (isDeepStrictEqual(ref, before?.paramRef) && policyName === before?.policyName) return;
  const { name = "", namespace = "" } = ref;
  const verb = name === "" ? "list" : "get";
  const kind = await paramKindOf(readers, resource, policyName);
  if (await mayRead(readers, user, kind, { verb, name, namespace })) return;
  const what = "permission on the object referenced by paramRef";
  throw refuse("paramRef", `does not have ${JSON.stringify(verb)} ${what}`);
}

/** The kind of a binding's parameters; undefined where its policy is not there or has none. */
async function paramKindOf(
  { resources }: Readers,
  { kind: { group, version, plural } }: Resource,
  policyName = "",
): Promise<ParamKind | undefined> {
  if (dnsSubdomain(policyName).length > 0) return undefined; // Refused by validation.
  const policies = resources.find(group, version, POLICIES[plural]!);
  return (await policies?.store.find<PolicyOrBinding>("", policyName))?.spec.paramKind;
}

/** Whether a user may read objects of a kind; all kinds where it is not known. */
async function mayRead(
  { authorizer, resources }: Readers,
  user: RequestUser,
  kind: ParamKind | undefined,
  asked: { verb: string; name: string; namespace: string },
): Promise<boolean> {
  const { group = "*", version = "*" } = (kind && parseApiVersion(kind.apiVersion ?? "")) ?? {};
  const known = resources.kinds.find(
    (each) => each.kind === kind?.kind && apiVersionOf(each) === kind?.apiVersion,
  );
  const place = { group, version, resource: known?.plural ?? "*" };
  return (await authorizer.decide(aboutResource({ user, ...place, ...asked }))).verdict === "allow";
}
