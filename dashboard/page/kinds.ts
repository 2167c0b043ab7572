import { type AnyObject, get } from "./api.ts";

/** A kind of objects that the server offers, custom ones too. */
export interface Kind {
  group: string;
  version: string;
  plural: string;
  kind: string;
  namespaced: boolean;
  verbs: string[];
  short: string[];
  /** Subresources: `scale`, `log`. */
  parts: string[];
}

/** The object that an action is for. */
export interface Target {
  kind: Kind;
  kinds: readonly Kind[];
  object: AnyObject;
  path: string;
}

interface Discovery {
  items?: {
    metadata?: { name?: string };
    versions?: {
      version: string;
      resources?: {
        resource: string;
        scope: string;
        verbs: string[];
        shortNames?: string[];
        responseKind?: { kind: string };
        subresources?: { subresource: string }[];
      }[];
    }[];
  }[];
}

const ACCEPT = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** The kind that the page starts with, which every server has: its list waits for no discovery. */
export const PODS: Kind = {
  group: "",
  version: "v1",
  plural: "pods",
  kind: "Pod",
  namespaced: true,
  verbs: ["get", "list", "watch"],
  short: ["po"],
  parts: [],
};

/** Every listable kind, in its group's preferred version. */
export async function discover(): Promise<Kind[]> {
  const found = new Map<string, Kind>();
  const asked = ["/api", "/apis"].map((path) => get<Discovery>(path, ACCEPT));
  for (const list of await Promise.all(asked)) {
    for (const { metadata, versions = [] } of list.items ?? []) {
      const group = metadata?.name ?? "";
      for (const { version, resources = [] } of versions) {
        for (const resource of resources) {
          const { resource: plural, scope, verbs, shortNames, responseKind } = resource;
          const key = `${group}/${plural}`;
          if (found.has(key) || !responseKind || !verbs.includes("list")) continue;
          found.set(key, {
            group,
            version,
            plural,
            verbs,
            kind: responseKind.kind,
            namespaced: scope === "Namespaced",
            short: shortNames ?? [],
            parts: (resource.subresources ?? []).map(({ subresource }) => subresource),
          });
        }
      }
    }
  }
  return [...found.values()];
}

export const keyOf = ({ group, plural }: Pick<Kind, "group" | "plural">) =>
  group ? `${plural}.${group}` : plural;

/** The path of a kind's objects, of one object, or of a part of it. */
export function pathOf(kind: Kind, namespace?: string, name?: string, part?: string): string {
  const { group, version, plural } = kind;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const within = kind.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  const one = name === undefined ? "" : `/${encodeURIComponent(name)}`;
  return `${root}${within}/${plural}${one}${part ? `/${part}` : ""}`;
}

/** Sections of the menu; kinds that none names are "Custom" or "More". */
export const SECTIONS: readonly [string, readonly string[]][] = [
  [
    "Workloads",
    [
      "pods",
      "deployments.apps",
      "statefulsets.apps",
      "daemonsets.apps",
      "replicasets.apps",
      "jobs.batch",
      "cronjobs.batch",
      "horizontalpodautoscalers.autoscaling",
    ],
  ],
  [
    "Network",
    [
      "services",
      "endpointslices.discovery.k8s.io",
      "ingresses.networking.k8s.io",
      "networkpolicies.networking.k8s.io",
    ],
  ],
  ["Configuration", ["configmaps", "secrets", "serviceaccounts"]],
  ["Storage", ["persistentvolumeclaims", "persistentvolumes", "storageclasses.storage.k8s.io"]],
  ["Cluster", ["nodes", "namespaces", "events"]],
];
