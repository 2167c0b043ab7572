import {
  canDo,
  type DiscoveredResource,
  discover as discoverAll,
} from "@raft2kube/client-kube/rest/discovery.ts";
import { type AnyObject, get } from "./api.ts";

/** A kind of objects that the server offers, custom ones too. */
export type Kind = DiscoveredResource;

/** The object that an action is for. */
export type Target = { kind: Kind; kinds: readonly Kind[]; object: AnyObject; path: string };

/** The kind that the page starts with, which every server has: its list waits for no discovery. */
export const PODS: Kind = {
  group: "",
  version: "v1",
  plural: "pods",
  kind: "Pod",
  namespaced: true,
  verbs: ["get", "list", "watch"],
  shortNames: ["po"],
  subresources: [],
};

/** Every listable kind, in its group's preferred version. */
export async function discover(): Promise<Kind[]> {
  const all = await discoverAll({ request: ({ path, accept }) => get(path, accept) });
  return all.filter((each) => canDo(each, "list"));
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
