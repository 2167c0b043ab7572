import * as discovery from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import * as resources from "@raft2kube/client-kube/rest/resources.ts";
import { type AnyObject, kube } from "./api.ts";

export type Kind = discovery.DiscoveredResource;

export type Target = { kind: Kind; kinds: readonly Kind[]; object: AnyObject };

/** The kind that the page starts with, which every server has: its list waits for no discovery. */
export const PODS: Kind = {
  ...resources.PODS,
  kind: "Pod",
  verbs: ["get", "list", "watch"],
  shortNames: ["po"],
  subresources: [],
};

export const discover = async (): Promise<Kind[]> =>
  (await discovery.discover(kube)).filter((each) => discovery.canDo(each, "list"));

/** Returns the test whether a kind is one of these, named as in the address. */
export function isOf(...keys: string[]) {
  return ({ kind }: { kind: Kind }) => keys.includes(groupResourceOf(kind));
}

const WORKLOADS = "deployments.apps statefulsets.apps daemonsets.apps replicasets.apps";
const NETWORK = "services endpointslices.discovery.k8s.io ingresses.networking.k8s.io";

/** Sections of the menu, with their kinds; those that none names are "More". */
export const SECTIONS: Readonly<Record<string, string>> = {
  Workloads: `pods ${WORKLOADS} jobs.batch cronjobs.batch horizontalpodautoscalers.autoscaling`,
  Network: `${NETWORK} networkpolicies.networking.k8s.io`,
  Configuration: "configmaps secrets serviceaccounts",
  Storage: "persistentvolumeclaims persistentvolumes storageclasses.storage.k8s.io",
  Cluster: "nodes namespaces events",
};
