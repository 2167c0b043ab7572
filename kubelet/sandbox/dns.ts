import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { namespaceOf } from "../pods/pod-identity.ts";

/** A resolver's configuration, as in resolv.conf(5). */
export type ResolverConfig = { servers: string[]; searches: string[]; options: string[] };

export type ClusterDns = { servers: string[]; domain: string };

/** Reads a resolv.conf; the last of several search lines counts. */
export function parseResolvConf(text: string): ResolverConfig {
  const config: ResolverConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const [keyword, ...rest] = line.trim().split(/\s+/);
    if (keyword === "nameserver" && rest[0]) config.servers.push(rest[0]);
    if (keyword === "search") config.searches = rest.filter((domain) => domain !== ".");
    if (keyword === "options") config.options = rest;
  }
  return config;
}

/**
 * Returns the pod's resolver configuration: by its dnsPolicy, with its dnsConfig added. Source:
 * documentation of pods' DNS policies.
 */
export function podDns(pod: Pod, host: ResolverConfig, cluster: ClusterDns): ResolverConfig {
  const base = baseDns(pod, host, cluster);
  const own = pod.spec.dnsConfig;
  if (!own) return base;
  const options = new Map(base.options.map((option) => [option.split(":")[0]!, option]));
  for (const { name = "", value } of own.options ?? []) {
    options.set(name, value === undefined ? name : `${name}:${value}`);
  }
  return {
    servers: unique([...base.servers, ...(own.nameservers ?? [])]),
    searches: unique([...base.searches, ...(own.searches ?? [])]),
    options: [...options.values()],
  };
}

/**
 * Returns the configuration of a pod's dnsPolicy. The cluster's has the search path of the pod's
 * namespace before the node's own domains. Without a DNS server of the cluster it is the node's.
 */
function baseDns(pod: Pod, host: ResolverConfig, cluster: ClusterDns): ResolverConfig {
  // lab:15 begin base-dns
  const policy = pod.spec.dnsPolicy ?? "ClusterFirst";
  if (policy === "None") return { servers: [], searches: [], options: [] };
  const wantsCluster =
    policy === "ClusterFirstWithHostNet" || (policy === "ClusterFirst" && !pod.spec.hostNetwork);
  if (!wantsCluster || cluster.servers.length === 0) return host;
  const { domain } = cluster;
  const searches = domain ? [`${namespaceOf(pod)}.svc.${domain}`, `svc.${domain}`, domain] : [];
  return {
    servers: cluster.servers,
    searches: unique([...searches, ...host.searches]),
    options: ["ndots:5"],
  };
  // lab:15 end
}

const unique = (list: string[]): string[] => [...new Set(list)];
