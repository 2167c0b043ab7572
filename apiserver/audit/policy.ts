import { ConfigFields, type Fields } from "@raft2kube/apimachinery/config-fields.ts";
import type { RequestUser } from "@raft2kube/api/kind.ts";
import type { RequestInfo } from "../request/request-info.ts";

export const LEVELS = ["None", "Metadata", "Request", "RequestResponse"] as const;
export const STAGES = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;

export type Level = (typeof LEVELS)[number];
export type Stage = (typeof STAGES)[number];

interface Resources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

interface Rule {
  readonly level: Level;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly resources: readonly Resources[];
  readonly namespaces: readonly string[];
  readonly nonResourceURLs: readonly string[];
  readonly omitStages: readonly Stage[];
  readonly omitManagedFields: boolean;
}

/** The extent of the events of a request. */
export interface Extent {
  readonly level: Level;
  readonly omitStages: readonly Stage[];
  readonly omitManagedFields: boolean;
}

/** The rules of an audit policy: the first that matches a request decides. */
export interface AuditPolicy {
  readonly rules: readonly Rule[];
}

/** The parts of a request that rules ask for. */
export interface Audited {
  readonly user: RequestUser;
  readonly info: RequestInfo;
}

const NOTHING: Extent = { level: "None", omitStages: [], omitManagedFields: false };

/** Returns the extent of a request's events: none unless a rule matches it. */
export function extentOf({ rules }: AuditPolicy, audited: Audited): Extent {
  return rules.find((rule) => matches(rule, audited)) ?? NOTHING;
}

function matches(rule: Rule, { user, info }: Audited): boolean {
  const { users, userGroups, verbs } = rule;
  if (users.length > 0 && !users.includes(user.name)) return false;
  if (userGroups.length > 0 && !userGroups.some((each) => user.groups.includes(each))) return false;
  if (verbs.length > 0 && !verbs.includes(info.verb)) return false;
  const { namespaces, resources, nonResourceURLs } = rule;
  if (namespaces.length > 0 || resources.length > 0) {
    return info.resourceRequest && isOf(rule, info);
  }
  if (nonResourceURLs.length === 0) return true;
  return !info.resourceRequest && nonResourceURLs.some((url) => isPath(url, info.path));
}

function isOf({ namespaces, resources }: Rule, info: RequestInfo): boolean {
  if (namespaces.length > 0 && !namespaces.includes(info.namespace)) return false;
  return resources.length === 0 || resources.some((each) => isResource(each, info));
}

function isResource({ group, resources, resourceNames }: Resources, info: RequestInfo): boolean {
  if (group !== info.group) return false;
  if (resourceNames.length > 0 && !resourceNames.includes(info.name)) return false;
  const { resource, subresource } = info;
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  return resources.length === 0 || resources.some((each) => each === "*" || each === combined ||
    (subresource !== "" && each === `*/${subresource}`) || each === `${resource}/*`);
}

const isPath = (url: string, path: string): boolean =>
  url === "*" || url === path || (url.endsWith("*") && path.startsWith(url.slice(0, -1)));

const read = new ConfigFields("Policy");
const VERSIONS = ["audit.k8s.io/v1"];
const RULE_FIELDS = [
  "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs",
  "omitStages", "omitManagedFields",
];

/** Reads an audit policy, YAML or JSON. Throws ConfigFileError, naming the field. */
export async function readAuditPolicy(text: string): Promise<AuditPolicy> {
  const { yamlValue } = await import("@raft2kube/apimachinery/yaml.ts");
  const policy = read.whole(yamlValue(text), VERSIONS,
    ["metadata", "rules", "omitStages", "omitManagedFields"]);
  const omitStages = stagesOf("omitStages", policy["omitStages"]);
  const omitManagedFields = flagOf("omitManagedFields", policy["omitManagedFields"]) ?? false;
  const rules = read.list("rules", policy["rules"]).map((each, at) =>
    ruleOf(`rules[${at}]`, each, { omitStages, omitManagedFields }));
  return { rules };
}

function ruleOf(
  at: string, value: unknown, all: Pick<Rule, "omitStages" | "omitManagedFields">,
): Rule {
  const fields = read.object(at, value);
  read.onlyKnown(at, fields, RULE_FIELDS);
  const texts = (name: string) => textsOf(`${at}.${name}`, fields[name]);
  const level = LEVELS.find((each) => each === fields["level"]);
  if (level === undefined) {
    return read.refuse(`${at}.level`, `must be one of ${LEVELS.join(", ")}`);
  }
  const resources = fields["resources"] === undefined ? []
    : listOf(`${at}.resources`, fields["resources"]).map((each, n) =>
      resourcesOf(`${at}.resources[${n}]`, each));
  const [namespaces, nonResourceURLs] = [texts("namespaces"), texts("nonResourceURLs")];
  nonResourceURLs.forEach((url, n) => checkUrl(`${at}.nonResourceURLs[${n}]`, url));
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0)) {
    read.refuse(`${at}.nonResourceURLs`,
      "rules cannot apply to both regular resources and non-resource URLs");
  }
  const own = stagesOf(`${at}.omitStages`, fields["omitStages"]);
  return {
    level, resources, namespaces, nonResourceURLs,
    users: texts("users"), userGroups: texts("userGroups"), verbs: texts("verbs"),
    omitStages: [...all.omitStages, ...own],
    omitManagedFields:
      flagOf(`${at}.omitManagedFields`, fields["omitManagedFields"]) ?? all.omitManagedFields,
  };
}

function resourcesOf(at: string, value: unknown): Resources {
  const fields: Fields = read.object(at, value);
  read.onlyKnown(at, fields, ["group", "resources", "resourceNames"]);
  const { group = "" } = fields;
  if (typeof group !== "string") return read.refuse(`${at}.group`, "must be a text");
  if (group.includes("/") || /^v\d/.test(group)) {
    return read.refuse(`${at}.group`, "must be a group without its version");
  }
  const resources = textsOf(`${at}.resources`, fields["resources"]);
  const resourceNames = textsOf(`${at}.resourceNames`, fields["resourceNames"]);
  if (resourceNames.length > 0 && resources.length === 0) {
    read.refuse(`${at}.resourceNames`, "using resourceNames requires at least one resource");
  }
  return { group, resources, resourceNames };
}

function checkUrl(at: string, url: string): void {
  if (url === "*") return;
  if (!url.startsWith("/")) {
    read.refuse(at, "non-resource URL rules must begin with a '/' character");
  }
  if (url.slice(0, -1).includes("*")) {
    read.refuse(at, "non-resource URL wildcards '*' must be the final character of the rule");
  }
}

function listOf(at: string, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : read.refuse(at, "must be a list");
}

function textsOf(at: string, value: unknown): string[] {
  if (value === undefined) return [];
  return listOf(at, value).map((each, n) =>
    (typeof each === "string" ? each : read.refuse(`${at}[${n}]`, "must be a text")));
}

function stagesOf(at: string, value: unknown): Stage[] {
  return textsOf(at, value).map((each, n) => STAGES.find((stage) => stage === each) ??
    read.refuse(`${at}[${n}]`, `must be one of ${STAGES.join(", ")}`));
}

function flagOf(at: string, value: unknown): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  return read.refuse(at, "must be true or false");
}
