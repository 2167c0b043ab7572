import type { GroupResources, Policy, PolicyRule } from "@raft2kube/api/gen/audit/v1.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import { type Place, readConfigFile } from "@raft2kube/apimachinery/config-file.ts";
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

type Rule = Omit<PolicyRule, keyof Extent> & Extent;

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
  const { users = [], userGroups = [], verbs = [], namespaces = [] } = rule;
  const { resources = [], nonResourceURLs = [] } = rule;
  if (users.length > 0 && !users.includes(user.name)) return false;
  if (userGroups.length > 0 && !userGroups.some((each) => user.groups.includes(each))) return false;
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false;
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false;
  if (resources.length > 0 && !resources.some((each) => isResource(each, info))) return false;
  if (namespaces.length > 0 || resources.length > 0) return info.resourceRequest;
  if (nonResourceURLs.length === 0) return true;
  return !info.resourceRequest && nonResourceURLs.some((url) => urlCovers(url, info.path));
}

function isResource(rule: GroupResources, info: RequestInfo): boolean {
  const { group = "", resources = [], resourceNames = [] } = rule;
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
  const { config, at } = await readConfigFile<Policy>("audit/v1.Policy", ["audit.k8s.io/v1"], text);
  const omitted = stagesIn(config, at);
  const { omitManagedFields = false } = config;
  const rules = at.each("rules", at.some("rules", config.rules), (rule, place) => {
    checkTargets(rule, place);
    const level = place.choice("level", rule.level, LEVELS);
    const omitStages = [...omitted, ...stagesIn(rule, place)];
    return { omitManagedFields, ...rule, level, omitStages };
  });
  return { rules };
}

const stagesIn = ({ omitStages = [] }: Pick<Policy, "omitStages">, at: Place): Stage[] =>
  omitStages.map((stage, i) => at.choice(`omitStages[${i}]`, stage, STAGES));

function checkTargets({ resources = [], namespaces, nonResourceURLs }: PolicyRule, at: Place) {
  at.each("resources", resources, checkResources);
  nonResourceURLs?.forEach((url, i) => at.check(`nonResourceURLs[${i}]`, problemsOf(url)));
  if (nonResourceURLs?.length && (resources.length > 0 || namespaces?.length)) {
    const why = "rules cannot apply to both regular resources and non-resource URLs";
    at.refuse("nonResourceURLs", why);
  }
}

function checkResources({ group = "", resources, resourceNames }: GroupResources, at: Place): void {
  if (group.includes("/") || /^v\d/.test(group)) {
    at.refuse("group", "must be a group without its version");
  }
  if (resourceNames?.length && !resources?.length) {
    at.refuse("resourceNames", "using resourceNames requires at least one resource");
  }
}

function problemsOf(url: string): string[] {
  if (url === "*") return [];
  if (!url.startsWith("/")) return ["non-resource URL rules must begin with a '/' character"];
  if (!url.slice(0, -1).includes("*")) return [];
  return ["non-resource URL wildcards '*' must be the final character of the rule"];
}
