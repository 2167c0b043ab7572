import type {
  FlowSchemaSpec,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
  Subject,
} from "@raft2kube/api/gen/flowcontrol/v1.ts";

type Part = "verb" | "path" | "group" | "namespace" | "resource" | "subresource";

/** The parts of a request that flow schemas ask for. */
export interface Digest {
  readonly user: { readonly name: string; readonly groups: readonly string[] };
  readonly info: { readonly resourceRequest: boolean } & Readonly<Record<Part, string>>;
}

const ALL = "*";
const ACCOUNT = "system:serviceaccount:";

/** Whether one of a flow schema's rules is for a request. */
export function matches({ rules = [] }: Pick<FlowSchemaSpec, "rules">, digest: Digest): boolean {
  return rules.some(
    (rule) =>
      rule.subjects.some((subject) => isSubject(subject, digest.user)) && isRuled(rule, digest),
  );
}

function isSubject(subject: Subject, { name, groups }: Digest["user"]): boolean {
  switch (subject.kind) {
    case "User":
      return subject.user?.name === ALL || subject.user?.name === name;
    case "Group":
      return subject.group?.name === ALL || groups.includes(subject.group?.name ?? "");
    case "ServiceAccount": {
      const { serviceAccount: account } = subject;
      if (account === undefined) return false;
      const start = `${ACCOUNT}${account.namespace}:`;
      return account.name === ALL ? name.startsWith(start) : name === `${start}${account.name}`;
    }
    default:
      return false;
  }
}

function isRuled(rule: PolicyRulesWithSubjects, { info }: Digest): boolean {
  const { resourceRules = [], nonResourceRules = [] } = rule;
  return info.resourceRequest
    ? resourceRules.some((each) => isThere(each, info))
    : nonResourceRules.some((each) => isPath(each, info));
}

function isThere(rule: ResourcePolicyRule, info: Digest["info"]): boolean {
  const { verb, group, resource, subresource, namespace } = info;
  const combined = subresource === "" ? resource : `${resource}/${subresource}`;
  return (
    names(rule.verbs, verb) &&
    names(rule.apiGroups, group) &&
    names(rule.resources, combined) &&
    (namespace === "" ? rule.clusterScope === true : names(rule.namespaces, namespace))
  );
}

function isPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, info: Digest["info"]): boolean {
  const { verb, path } = info;
  return (
    names(verbs, verb) &&
    nonResourceURLs.some(
      (url) =>
        url === ALL || url === path || (url.endsWith("/*") && path.startsWith(url.slice(0, -1))),
    )
  );
}

const names = (list: readonly string[] = [], one: string): boolean =>
  list.includes(ALL) || list.includes(one);
