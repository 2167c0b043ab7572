import { isDeepStrictEqual } from "node:util";
import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject, RequestUser } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden, notFound } from "@raft2kube/apimachinery/errors/catalog.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { MASTERS_GROUP } from "../../authn/identities.ts";
import { quoted } from "../../authn/jwt/verify-jwt.ts";
import { GRANT_NAMES_MAX, ROLE_GRANTS_MAX } from "../../limits.ts";
import type { Resource } from "../../resource/resource.ts";
import { aboutResource } from "../attributes.ts";
import type { Authorizer } from "../authorizer.ts";
import { grantsIn, missingGrants, notWhole, uncovered } from "./covers.ts";
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
  const { kind, subject } = resource;
  if (kind.group !== GROUP || user.groups.includes(MASTERS_GROUP)) return;
  if (old && isDeepStrictEqual(granting(object), granting(old))) return;
  const { name = "" } = object.metadata;
  const may = async (verb: string, plural: string, of: string): Promise<boolean> => {
    const asked = { user, verb, group: GROUP, resource: plural, namespace, name: of };
    return (await rights.authorizer.decide(aboutResource(asked))).verdict === "allow";
  };
  const isRole = kind.plural === "roles" || kind.plural === "clusterroles";
  if (isRole && (await may("escalate", kind.plural, name))) return;
  const { roleRef } = object;
  if (!isRole && roleRef === undefined) return;
  const rules = isRole ? (object.rules ?? []) : await boundRules(rights, roleRef!, namespace, may);
  const isAggregated = isRole && (object.aggregationRule ?? old?.aggregationRule);
  const why =
    (await whyNot(rights, user, rules, namespace)) ??
    (isAggregated ? await whyNotAll(rights, user) : undefined);
  if (why !== undefined) throw forbidden(subject, name, why);
}

/** The rules that a binding grants; none where the user may bind the role. */
async function boundRules(
  { roles }: Rights,
  { kind, name }: NonNullable<RoleLike["roleRef"]>,
  namespace: string,
  may: (verb: string, plural: string, of: string) => Promise<boolean>,
): Promise<readonly PolicyRule[]> {
  if (await may("bind", kind === "Role" ? "roles" : "clusterroles", name)) return [];
  if (kind !== "Role" && kind !== "ClusterRole") {
    const message = `unsupported role reference kind: ${JSON.stringify(kind ?? "")}`;
    throw new ApiError({ code: 500, reason: "", message });
  }
  const rules = roles.rulesOfRole(kind, namespace, name);
  if (rules !== undefined) return rules;
  throw notFound({ group: GROUP, name: `${kind.toLowerCase()}s` }, name);
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

async function heldBy({ roles }: Rights, user: RequestUser, namespace: string) {
  const held: PolicyRule[] = [];
  const slices = new Slices();
  for (const each of roles.rulesFor(user, namespace)) {
    if (slices.due) await slices.pause();
    if (each) held.push(each.rule);
  }
  return held;
}

/**
 * Runs a comparison in slices: users may hold, and bind, any number of roles of a megabyte.
 * Resolves with undefined if it is one of too many names.
 */
async function compared<T>(steps: Iterator<number, T>): Promise<T | undefined> {
  let names = 0;
  const slices = new Slices();
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    names += step.value;
    if (names > GRANT_NAMES_MAX) return undefined;
    if (slices.due) await slices.pause();
  }
}

/** Why a user may not grant a role made of others, which may come to hold anything. */
async function whyNotAll(rights: Rights, user: RequestUser): Promise<string | undefined> {
  const missing = await compared(uncovered(await heldBy(rights, user, ""), EVERYTHING));
  if (missing?.length === 0) return undefined;
  return "must have cluster-admin privileges to use the aggregationRule";
}

const TOO_MANY = "too many to compare one by one: write fewer rules";

/** Why a user may not grant these rules; undefined for one who holds them. */
async function whyNot(
  rights: Rights,
  user: RequestUser,
  wanted: readonly PolicyRule[],
  namespace: string,
): Promise<string | undefined> {
  const held = await heldBy(rights, user, namespace);
  const tooMany = `meets more than ${GRANT_NAMES_MAX} names of rules that its writer has, ${TOO_MANY}`;
  const parts = await compared(notWhole(held, wanted));
  if (parts === undefined) return tooMany;
  if (parts.reduce((sum, rule) => sum + grantsIn(rule), 0) > ROLE_GRANTS_MAX) {
    return `grants more than ${ROLE_GRANTS_MAX} permissions, ${TOO_MANY}`;
  }
  const missing = await compared(missingGrants(held, parts));
  if (missing === undefined) return tooMany;
  if (missing.length === 0) return undefined;
  return (
    `user ${JSON.stringify(user.name)} (groups=${quoted(user.groups)}) is attempting to grant RBAC ` +
    `permissions not currently held:\n${missing.map(ruleText).join("\n")}`
  );
}

function ruleText(rule: PolicyRule): string {
  const { apiGroups, resources, resourceNames, nonResourceURLs, verbs } = rule;
  const lists = {
    ...{ APIGroups: apiGroups, Resources: resources, ResourceNames: resourceNames },
    ...{ NonResourceURLs: nonResourceURLs, Verbs: verbs },
  };
  const parts = Object.entries(lists).flatMap(([name, items]) =>
    items ? [`${name}:${quoted(items)}`] : [],
  );
  return `{${parts.join(", ")}}`;
}
