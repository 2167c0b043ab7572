import { isDeepStrictEqual } from "node:util";
import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { MASTERS_GROUP } from "../../authn/identities.ts";
import { ROLE_GRANTS_MAX } from "../../limits.ts";
import type { Resource } from "../../resource/resource.ts";
import { aboutResource } from "../attributes.ts";
import type { Authorizer } from "../authorizer.ts";
import { grantsToCompare, uncovered } from "./covers.ts";
import type { RoleIndex } from "./role-index.ts";

const GROUP = "rbac.authorization.k8s.io";

/** The source of users' permissions. */
export type Rights = { readonly authorizer: Authorizer; readonly roles: RoleIndex };

interface RoleLike extends KubeObject {
  rules?: PolicyRule[] | null;
  aggregationRule?: object | null;
  roleRef?: { apiGroup: string; kind: string; name: string };
  subjects?: object[];
}

/**
 * Users may grant only rights that they have: writing a role needs all of its rules (or the verb
 * `escalate`), writing a binding all rules of the role bound (or the verb `bind`). `namespace` is
 * the request's: the object need not name it. Throws 403.
 */
export async function checkEscalation(
  rights: Rights,
  user: RequestUser,
  resource: Resource,
  object: RoleLike,
  old: RoleLike | undefined,
  namespace: string,
): Promise<void> {
  const { kind } = resource;
  if (kind.group !== GROUP || user.groups.includes(MASTERS_GROUP)) return;
  if (old && isDeepStrictEqual(granting(object), granting(old))) return;
  const isRole = kind.plural === "roles" || kind.plural === "clusterroles";
  if (isRole) {
    if (await holds(rights, user, "escalate", resource, object, namespace)) return;
    requireRules(rights, user, resource, object, object.rules ?? [], namespace);
    if (object.aggregationRule ?? old?.aggregationRule) requireAll(rights, user, resource, object);
    return;
  }
  const { roleRef } = object;
  if (roleRef === undefined) return;
  if (await mayBind(rights, user, roleRef, namespace)) return;
  if (roleRef.kind !== "Role" && roleRef.kind !== "ClusterRole") {
    const message = `unsupported role reference kind: ${JSON.stringify(roleRef.kind ?? "")}`;
    throw new ApiError({ code: 500, reason: "", message });
  }
  const rules = rights.roles.rulesOfRole(roleRef.kind, namespace, roleRef.name);
  if (rules === undefined) {
    throw notFound({ group: GROUP, name: `${roleRef.kind.toLowerCase()}s` }, roleRef.name);
  }
  return requireRules(rights, user, resource, object, rules, namespace);
}

/**
 * The parts of an object by which rights could be granted: its labels, too, since they select the
 * rules of aggregated roles. Deletion timestamp and finalizers are no part of that (upstream).
 */
function granting({ metadata, ...content }: RoleLike): object {
  const {
    ownerReferences: _owners,
    finalizers: _finalizers,
    managedFields: _managers,
    ...others
  } = metadata;
  return { ...content, metadata: others };
}

const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

/** A role made of others may come to hold anything. */
function requireAll(
  rights: Rights,
  user: RequestUser,
  resource: Resource,
  object: KubeObject,
): void {
  const held = [...rights.roles.rulesFor(user, "")].map(({ rule }) => rule);
  if (uncovered(held, EVERYTHING).length === 0) return;
  throw forbidden(
    resource.subject,
    object.metadata.name ?? "",
    "must have cluster-admin privileges to use the aggregationRule",
  );
}

function requireRules(
  rights: Rights,
  user: RequestUser,
  resource: Resource,
  object: KubeObject,
  wanted: readonly PolicyRule[],
  namespace: string,
): void {
  const held = [...rights.roles.rulesFor(user, namespace)].map(({ rule }) => rule);
  if (grantsToCompare(held, wanted) > ROLE_GRANTS_MAX) {
    const why = `grants more than ${ROLE_GRANTS_MAX} permissions, too many to compare one by one`;
    throw forbidden(resource.subject, object.metadata.name ?? "", `${why}: write fewer rules`);
  }
  const missing = uncovered(held, wanted);
  if (missing.length === 0) return;
  const groups = user.groups.map((group) => JSON.stringify(group)).join(" ");
  throw forbidden(
    resource.subject,
    object.metadata.name ?? "",
    `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC ` +
      `permissions not currently held:\n${missing.map(ruleText).join("\n")}`,
  );
}

function ruleText(rule: PolicyRule): string {
  const list = (items: readonly string[]) => items.map((item) => JSON.stringify(item)).join(" ");
  const parts: string[] = [];
  if (rule.apiGroups) parts.push(`APIGroups:[${list(rule.apiGroups)}]`);
  if (rule.resources) parts.push(`Resources:[${list(rule.resources)}]`);
  if (rule.resourceNames) parts.push(`ResourceNames:[${list(rule.resourceNames)}]`);
  if (rule.nonResourceURLs) parts.push(`NonResourceURLs:[${list(rule.nonResourceURLs)}]`);
  parts.push(`Verbs:[${list(rule.verbs)}]`);
  return `{${parts.join(", ")}}`;
}

async function holds(
  { authorizer }: Rights,
  user: RequestUser,
  verb: string,
  resource: Resource,
  object: KubeObject,
  namespace: string,
): Promise<boolean> {
  const { group, version, plural } = resource.kind;
  const { name = "" } = object.metadata;
  const question = { user, verb, group, version, resource: plural, namespace, name };
  return (await authorizer.decide(aboutResource(question))).verdict === "allow";
}

async function mayBind(
  { authorizer }: Rights,
  user: RequestUser,
  { kind, name }: { kind: string; name: string },
  namespace: string,
): Promise<boolean> {
  const resource = kind === "Role" ? "roles" : "clusterroles";
  const question = { user, verb: "bind", group: GROUP, resource, namespace, name };
  return (await authorizer.decide(aboutResource(question))).verdict === "allow";
}
