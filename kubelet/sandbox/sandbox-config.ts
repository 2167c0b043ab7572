import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type PodSandboxConfig, type PortMapping, Protocol } from "@raft2kube/proto/gen/cri.ts";
import { QUANTITY_LENGTH_MAX } from "@raft2kube/std/limits.ts";
import { podResources } from "../containers/qos.ts";
import { linuxResources } from "../containers/resources.ts";
import { type NodeSeccomp, sandboxSecurity } from "../containers/security.ts";
import { POD_METADATA_BYTES_MAX } from "../limits.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { podLabels } from "../pods/pod-labels.ts";
import { type PodPaths, podLogDir } from "../pods/pod-paths.ts";
import { type ClusterDns, podDns, type ResolverConfig } from "./dns.ts";
import { kernelHostname, podNames } from "./hostname.ts";
import { podCgroup } from "./pod-cgroup.ts";
import type { UserRanges } from "./user-ranges.ts";

/** Configuration of the node for all sandboxes. */
export interface SandboxNode {
  paths: PodPaths;
  cgroupRoot: string;
  clusterDns: ClusterDns;
  hostResolver: ResolverConfig;
  seccomp: NodeSeccomp;
  users: Pick<UserRanges, "of">;
}

/**
 * Returns the CRI configuration of a pod's sandbox; `attempt` counts the pod's sandboxes from 0.
 * One with a user namespace has its range of users already.
 */
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
    ...podMetadata(pod),
    linux: {
      cgroupParent: podCgroup(node.cgroupRoot, pod),
      securityContext: sandboxSecurity(pod, { ...node.seccomp, users: node.users.of(pod) }),
      sysctls: Object.fromEntries(
        (pod.spec.securityContext?.sysctls ?? []).map(({ name = "", value = "" }) => [name, value]),
      ),
      resources: linuxResources(podResources(pod)),
    },
  };
}

/**
 * Returns the pod's labels and annotations for the runtime, which lists those of several pods in a
 * message of 16 MiB that a dozen pods could fill: over POD_METADATA_BYTES_MAX they are left out,
 * except the labels that the kubelet needs, and annotations that the runtime acts on.
 */
function podMetadata(pod: Pod): Pick<PodSandboxConfig, "labels" | "annotations"> {
  const { labels = {}, annotations = {} } = pod.metadata;
  const texts = [labels, annotations].flatMap(Object.entries).flat() as string[];
  const size_bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (size_bytes > POD_METADATA_BYTES_MAX) {
    return { labels: podLabels(pod), annotations: actedOn(annotations) };
  }
  return { labels: { ...labels, ...podLabels(pod) }, annotations: { ...annotations } };
}

/** Annotations that bound a pod's traffic, without which it would be unbounded, and its clocks'. */
const ACTED_ON = /^(kubernetes\.io\/(ingress|egress)-bandwidth|run\.oci\.timens_offset)$/;

/** One that is too long for a quantity stays so: the runtime refuses it. */
function actedOn(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const bounds = Object.entries(annotations).filter(([name]) => ACTED_ON.test(name));
  return Object.fromEntries(
    bounds.map(([name, text]) => [name, text.slice(0, QUANTITY_LENGTH_MAX + 1)]),
  );
}

/** Returns every declared port; the network plugin maps those with a hostPort. */
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
