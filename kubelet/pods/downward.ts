import type { Container, Pod, ResourceFieldSelector } from "@raft2kube/api/gen/core/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { milliQuantityOf, parseQuantity, quantityOf } from "@raft2kube/std/quantity.ts";

/** The node's allocatable amounts: the limits of a container that has none. */
export interface NodeAllocatable {
  cpu_milli: number;
  memory_bytes: number;
  ephemeralStorage_bytes: number;
}

export type PodAddresses = { podIPs: string[]; hostIPs: string[] };

/**
 * Returns a pod's field for the downward API. Throws RangeError for an unsupported path. Source:
 * API reference, ObjectFieldSelector.
 */
export function fieldValue(path: string, pod: Pod, addresses: PodAddresses): string {
  const metadata = pod.metadata ?? {};
  const keyed = /^metadata\.(annotations|labels)\['(.*)'\]$/.exec(path);
  if (keyed) return own(metadata[keyed[1] as "annotations" | "labels"] ?? {}, keyed[2]!) ?? "";
  switch (path) {
    case "metadata.name":
      return metadata.name ?? "";
    case "metadata.namespace":
      return metadata.namespace ?? "";
    case "metadata.uid":
      return metadata.uid ?? "";
    case "metadata.annotations":
      return lines(metadata.annotations);
    case "metadata.labels":
      return lines(metadata.labels);
    case "spec.nodeName":
      return pod.spec.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec.serviceAccountName ?? "";
    case "status.hostIP":
      return addresses.hostIPs[0] ?? "";
    case "status.hostIPs":
      return addresses.hostIPs.join(",");
    case "status.podIP":
      return addresses.podIPs[0] ?? "";
    case "status.podIPs":
      return addresses.podIPs.join(",");
    default:
      throw new RangeError(`unsupported fieldPath: ${path}`);
  }
}

const NONE: Record<string, string> = {};
/** The lines of labels and annotations, which a pod's volumes may name a thousand times. */
const known = new WeakMap<Record<string, string>, string>();

function lines(map = NONE): string {
  let text = known.get(map);
  if (text === undefined) {
    const keys = Object.keys(map).sort();
    text = keys.map((key) => `${key}=${JSON.stringify(map[key])}`).join("\n");
    known.set(map, text);
  }
  return text;
}

/**
 * Returns a container's request or limit divided by the selector's divisor, rounded up; an absent
 * limit is the pod's own, else the node's allocatable amount. Throws RangeError for an unsupported
 * resource or an unknown container.
 */
export function resourceValue(
  selector: ResourceFieldSelector,
  pod: Pod,
  itself: Container | undefined,
  allocatable: NodeAllocatable,
): string {
  const wanted = selector.containerName;
  const container = wanted
    ? [...(pod.spec.initContainers ?? []), ...(pod.spec.containers ?? [])].find(
        (one) => one.name === wanted,
      )
    : itself;
  if (!container) throw new RangeError(`container ${wanted} not found`);
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(
    selector.resource ?? "",
  );
  if (!match) throw new RangeError(`unsupported container resource: ${selector.resource}`);
  const list = match[1] as "limits" | "requests";
  const name = match[2]!;
  const text = container.resources?.[list]?.[name];
  const amount = parseQuantity(text ?? fallback(list, name, container, pod, allocatable)).nanos;
  const divisor = parseQuantity(selector.divisor ?? "1").nanos || ONE_NANOS;
  return String((amount + divisor - 1n) / divisor);
}

const ONE_NANOS = 1_000_000_000n;

function fallback(
  list: "limits" | "requests",
  name: string,
  container: Container,
  { spec }: Pod,
  allocatable: NodeAllocatable,
): string {
  if (list === "requests") return container.resources?.limits?.[name] ?? "0";
  const ofPod = spec.resources?.limits?.[name];
  if (ofPod !== undefined && parseQuantity(ofPod).nanos > 0n) return ofPod;
  switch (name) {
    case "cpu":
      return milliQuantityOf(allocatable.cpu_milli);
    case "memory":
      return quantityOf(allocatable.memory_bytes);
    case "ephemeral-storage":
      return quantityOf(allocatable.ephemeralStorage_bytes);
    default:
      return "0";
  }
}
