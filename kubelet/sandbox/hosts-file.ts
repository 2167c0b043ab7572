import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodNames } from "./hostname.ts";

const HEADER = "# Kubernetes-managed hosts file";

/**
 * Returns the pod's /etc/hosts. A pod on the node's network starts from the node's file
 * (`nodeHosts`); any other has loopback names and its addresses. hostAliases come last in both.
 */
export function hostsText(pod: Pod, podIPs: string[], names: PodNames, nodeHosts: string): string {
  const parts = pod.spec.hostNetwork
    ? [`${HEADER} (host network).\n`, nodeHosts.endsWith("\n") ? nodeHosts : `${nodeHosts}\n`]
    : [`${HEADER}.\n`, ...LOOPBACK.map(line), ...podIPs.map((ip) => line([ip, ownNames(names)]))];
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length > 0) {
    parts.push("\n# Entries added by HostAliases.\n");
    for (const { ip, hostnames } of aliases) parts.push(line([ip ?? "", ...(hostnames ?? [])]));
  }
  return parts.join("");
}

function ownNames({ hostname, domain }: PodNames): string {
  return domain ? `${hostname}.${domain}\t${hostname}` : hostname;
}

const line = (fields: string[]): string => `${fields.join("\t")}\n`;

const LOOPBACK = [
  ["127.0.0.1", "localhost"],
  ["::1", "localhost ip6-localhost ip6-loopback"],
  ["fe00::", "ip6-localnet"],
  ["fe00::0", "ip6-mcastprefix"],
  ["fe00::1", "ip6-allnodes"],
  ["fe00::2", "ip6-allrouters"],
];
