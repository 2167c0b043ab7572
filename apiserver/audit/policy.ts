import type { RequestUser } from "@raft2kube/api/kind.ts";
import { ConfigFields } from "@raft2kube/apimachinery/config-fields.ts";
import { urlCovers } from "../authz/rbac/rules.ts";
import type { RequestInfo } from "../request/request-info.ts";

export const LEVELS = ["None", "Metadata", "Request", "RequestResponse"] as const;
export const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;

export type Level = (typeof LEVELS)[number];
export type Stage = (typeof STAGES)[number];

/** The extent of the events of a request. */
export interface Extent {
  readonly level: Level;
  readonly omitStages: readonly Stage[];
  readonly omitManagedFields: boolean;
}

type Rule = Readonly<ReturnType<typeof ruleOf>>;
type Resources = ReturnType<typeof resourcesOf>;

/** The rules of an audit policy: the first that matches a request decides. */
export type AuditPolicy = { readonly rules: readonly Rule[] };

/** The parts of a request that rules ask for. */
export type Audited = { readonly user: RequestUser; readonly info: RequestInfo };

const NOTHING: Extent = { level: "None", omitStages: [], omitManagedFields: false };

/** Returns the extent of a request's events: none unless a rule matches it. */
export function extentOf({ rules }: AuditPolicy, audited: Audited): Extent {
  return rules.find((rule) => matches(rule, audited)) ?? NOTHING;
}

function matches(rule: Rule, { user, info }: Audited): boolean {
  const { users, userGroups, verbs, namespaces, resources, nonResourceURLs } = rule;
  if (users.length > 0 && !users.includes(user.name)) return false;
  if (userGroups.length > 0 && !userGroups.some((each) => user.groups.includes(each))) return false;
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false;
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false;
  if (resources.length > 0 && !resources.some((each) => isResource(each, info))) return false;
  if (namespaces.length > 0 || resources.length > 0) return info.resourceRequest;
  if (nonResourceURLs.length === 0) return true;
  return !info.resourceRequest && nonResourceURLs.some((url) => urlCovers(url, info.path));
}

function isResource({ group, resources, resourceNames }: Resources, info: RequestInfo): boolean {
  if (group !== info.group) return false;
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
  const { resource, subresource } = info;
  const matching =
    subresource === ""
      ? ["*", resource, `${resource}/*`]
      : ["*", `${resource}/${subresource}`, `*/${subresource}`, `${resource}/*`];
  return resources.length === 0 || resources.some((each) => matching.includes(each));
}

/** Reads an audit policy, YAML or JSON. Throws ConfigFileError, naming the field. */
export async function readAuditPolicy(text: string): Promise<AuditPolicy> {
  return await ConfigFields.read("Policy", text, ["audit.k8s.io/v1"], (policy) => {
    policy.value("metadata");
    const omitStages = stagesIn(policy);
    const omitManagedFields = policy.flag("omitManagedFields", false);
    const rules = policy.objects("rules", { required: true });
    return { rules: rules.map((rule) => ruleOf(rule, { omitStages, omitManagedFields })) };
  });
}

function ruleOf(rule: ConfigFields, all: Omit<Extent, "level">) {
  const resources = rule.objects("resources").map(resourcesOf);
  const namespaces = rule.texts("namespaces");
  const nonResourceURLs = rule.texts("nonResourceURLs");
  nonResourceURLs.forEach((url, n) => checkUrl(rule, `nonResourceURLs[${n}]`, url));
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0)) {
    const why = "rules cannot apply to both regular resources and non-resource URLs";
    rule.refuse("nonResourceURLs", why);
  }
  return {
    resources,
    namespaces,
    nonResourceURLs,
    level: rule.choice("level", LEVELS),
    users: rule.texts("users"),
    userGroups: rule.texts("userGroups"),
    verbs: rule.texts("verbs"),
    omitStages: [...all.omitStages, ...stagesIn(rule)],
    omitManagedFields: rule.flag("omitManagedFields", all.omitManagedFields),
  };
}

function resourcesOf(given: ConfigFields) {
  const group = given.text("group", "");
  if (group.includes("/") || /^v\d/.test(group)) {
    return given.refuse("group", "must be a group without its version");
  }
  const resources = given.texts("resources");
  const resourceNames = given.texts("resourceNames");
  if (resourceNames.length > 0 && resources.length === 0) {
    given.refuse("resourceNames", "using resourceNames requires at least one resource");
  }
  return { group, resources, resourceNames };
}

function checkUrl(rule: ConfigFields, at: string, url: string): void {
  if (url === "*") return;
  if (!url.startsWith("/")) {
    rule.refuse(at, "non-resource URL rules must begin with a '/' character");
  }
  if (url.slice(0, -1).includes("*")) {
    rule.refuse(at, "non-resource URL wildcards '*' must be the final character of the rule");
  }
}

function stagesIn(from: ConfigFields): Stage[] {
  return from.texts("omitStages").map((each, n) => {
    const stage = STAGES.find((known) => known === each);
    return stage ?? from.refuse(`omitStages[${n}]`, `must be one of ${STAGES.join(", ")}`);
  });
}
