import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";

export const READ = ["get", "list", "watch"];
export const WRITE = ["create", "delete", "deletecollection", "patch", "update"];
export const EVERY = [...WRITE, ...READ];

export const APPS = "apps";
/** With the name that these kinds had at first. */
export const APPS_OLD = ["apps", "extensions"];
export const BATCH = "batch";
export const CORE = "";
export const NETWORKING = "networking.k8s.io";
export const STORAGE = "storage.k8s.io";
export const POLICY = "policy";
export const COORDINATION = "coordination.k8s.io";
export const DISCOVERY = "discovery.k8s.io";
export const RESOURCE = "resource.k8s.io";
export const RBAC = "rbac.authorization.k8s.io";
export const CERTIFICATES = "certificates.k8s.io";

/** Verbs on resources. Words are in one text or a list, and stand in the rule in their order. */
export function allow(verbs: Words, groups: string | string[], resources: string): PolicyRule {
  return { verbs: words(verbs), apiGroups: [groups].flat(), resources: words(resources) };
}

/** The same for certain names only. */
export function allowNamed(
  verbs: Words,
  group: string,
  resources: string,
  names: string,
): PolicyRule {
  return { ...allow(verbs, group, resources), resourceNames: words(names) };
}

/** Verbs on paths that are no resources. */
export function allowPaths(verbs: string, paths: string): PolicyRule {
  return { verbs: words(verbs), nonResourceURLs: words(paths) };
}

/** Both groups that events are of. */
export const ANY_EVENTS = [CORE, "events.k8s.io"];

/** Events as every component writes them. */
export const EVENTS = allow("create patch update", ANY_EVENTS, "events");

/** A role of the bootstrap policy. */
export interface PolicyRole {
  name: string;
  rules: readonly PolicyRule[];
  labels?: Readonly<Record<string, string>>;
  /** Made of the rules of all ClusterRoles that carry this label, by a controller. */
  aggregates?: string;
}

type Words = string | string[];

function words(given: Words): string[] {
  return (typeof given === "string" ? given.split(" ") : [...given]).sort();
}
