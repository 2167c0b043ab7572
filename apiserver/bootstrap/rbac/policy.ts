import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";

export const READ = ["get", "list", "watch"];
export const WRITE = ["create", "delete", "deletecollection", "patch", "update"];

export const APPS = "apps";
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

/** Verbs on resources of one group. Verbs and resources are words in one text. */
export function allow(verbs: string | string[], group: string, resources: string): PolicyRule {
  return { verbs: words(verbs), apiGroups: [group], resources: words(resources) };
}

/** The same for certain names only. */
export function allowNamed(
  verbs: string,
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

/** Events as every component writes them. */
export const EVENTS: readonly PolicyRule[] = [
  allow("create patch update", CORE, "events"),
  allow("create patch update", "events.k8s.io", "events"),
];

/** A role of the bootstrap policy. */
export interface PolicyRole {
  name: string;
  rules: readonly PolicyRule[];
  labels?: Readonly<Record<string, string>>;
  /** Made of the rules of all ClusterRoles that carry one of these labels. */
  aggregates?: string;
}

function words(text: string | string[]): string[] {
  return Array.isArray(text) ? text : text.split(" ").filter((word) => word !== "");
}
