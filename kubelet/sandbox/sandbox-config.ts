import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type PodSandboxConfig, type PortMapping, Protocol } from "@raft2kube/proto/gen/cri.ts";
import { podResources } from "../containers/qos.ts";
import { linuxResources } from "../containers/resources.ts";
import { sandboxSecurity } from "../containers/security.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { podLogDir, type PodPaths } from "../pods/pod-paths.ts";
import { podCgroup } from "./pod-cgroup.ts";
import { type ClusterDns, podDns, type ResolverConfig } from "./dns.ts";
import { kernelHostname, podNames } from "./hostname.ts";

/** Labels by which the kubelet finds its own again after a restart (upstream's names). */
export const POD_NAME_LABEL = "io.kubernetes.pod.name";
export const POD_NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
export const POD_UID_LABEL = "io.kubernetes.pod.uid";

/** What of the node goes into every sandbox. */
export interface SandboxNode {
  paths: PodPaths;
  cgroupRoot: string;
  clusterDns: ClusterDns;
  hostResolver: ResolverConfig;
  seccompRoot: string;
}

/** The CRI configuration of a pod's sandbox; `attempt` counts the sandboxes of this pod from 0. */
export function sandboxConfig(
  pod: Pod,
  attempt: number,
  node: SandboxNode,
): Init<PodSandboxConfig> {
  const names = podNames(pod, node.clusterDns.domain);
  return {
    metadata: { name: nameOf(pod), namespace: namespaceOf(pod), uid: uidOf(pod), attempt },
    hostname: pod.spec.hostNetwork ? "" : kernelHostname(pod, names),
    logDirectory: podLogDir(node.paths, pod),
    dnsConfig: podDns(pod, node.hostResolver, node.clusterDns),
    portMappings: portMappings(pod),
    labels: { ...pod.metadata.labels, ...podLabels(pod) },
    annotations: { ...pod.metadata.annotations },
    linux: {
      cgroupParent: podCgroup(node.cgroupRoot, pod),
      securityContext: sandboxSecurity(pod, node.seccompRoot),
      sysctls: Object.fromEntries(
        (pod.spec.securityContext?.sysctls ?? []).map(({ name = "", value = "" }) => [name, value]),
      ),
      resources: linuxResources(podResources(pod)),
    },
  };
}

export function podLabels(pod: Pod): Record<string, string> {
  return {
    [POD_NAME_LABEL]: nameOf(pod),
    [POD_NAMESPACE_LABEL]: namespaceOf(pod),
    [POD_UID_LABEL]: uidOf(pod),
  };
}

/** Every declared port; only those with a hostPort make a mapping in the network plugin. */
function portMappings(pod: Pod): Init<PortMapping>[] {
  if (pod.spec.hostNetwork) return [];
  const containers = [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])];
  return containers.flatMap((container) =>
    (container.ports ?? []).map((port) => ({
      protocol: Protocol[(port.protocol ?? "TCP") as keyof typeof Protocol],
      containerPort: port.containerPort ?? 0,
      hostPort: port.hostPort ?? 0,
      hostIp: port.hostIP ?? "",
    })),
  );
}
