import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { milliValueOf, valueOf } from "@raft2kube/std/quantity.ts";
import { podResources } from "../containers/qos.ts";
import { storageRequest_bytes } from "../eviction/local-storage.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { checkSysctls } from "./sysctl.ts";

/**
 * Refuses a pod for another operating system: most rules of Pod Security do not apply to a Windows
 * pod (privilege escalation, capabilities, seccomp), so that it must never run here.
 */
function checkOs({ spec }: Pod): void {
  if (spec.os?.name === undefined || spec.os.name === "linux") return;
  const message = "Failed to admit pod as the OS field doesn't match node OS";
  throw new AdmissionError("PodOSNotSupported", message);
}

/**
 * Checks the pod's operating system, sysctls, resources and host ports against the node and its
 * `others`. The scheduler has checked them, but static pods and other schedulers may have taken the
 * resources since. `conflicts`: whether another has one of its host ports. Throws AdmissionError
 * with upstream's messages.
 */
export function admitPod(
  pod: Pod,
  others: Pod[],
  allocatable: Record<string, string>,
  conflicts = portConflicts(pod),
): void {
  checkOs(pod);
  checkSysctls(pod);
  checkAmount("pods", 1, others.length, valueOf(allocatable["pods"] ?? "0"));
  const taken = others.map(podResources);
  const wanted = podResources(pod);
  const cpu = taken.reduce((sum, one) => sum + (one.cpuRequest_milli ?? 0), 0);
  const memory = taken.reduce((sum, one) => sum + (one.memoryRequest_bytes ?? 0), 0);
  const cpuLeft = milliValueOf(allocatable["cpu"] ?? "0");
  const memoryLeft = valueOf(allocatable["memory"] ?? "0");
  checkAmount("cpu", wanted.cpuRequest_milli ?? 0, cpu, cpuLeft);
  checkAmount("memory", wanted.memoryRequest_bytes ?? 0, memory, memoryLeft);
  const storage = others.reduce((sum, one) => sum + storageRequest_bytes(one), 0);
  const storageLeft = valueOf(allocatable["ephemeral-storage"] ?? "0");
  checkAmount("ephemeral-storage", storageRequest_bytes(pod), storage, storageLeft);
  if (others.some(conflicts)) {
    const message = "Predicate NodePorts failed: node(s) didn't have free ports for the requested";
    throw new AdmissionError("NodePorts", `${message} pod ports`);
  }
}

function checkAmount(resource: string, requested: number, used: number, capacity: number): void {
  if (requested === 0 || used + requested <= capacity) return;
  const message =
    `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, ` +
    `capacity: ${capacity}`;
  throw new AdmissionError(`OutOf${resource}`, message);
}

/** Returns whether another pod has a host port of this one. A pod may declare 70,000 ports. */
export function portConflicts(pod: Pod): (other: Pod) => boolean {
  const wanted = new Map<string, Set<string>>();
  for (const { ip, port } of hostPorts(pod)) {
    const at = wanted.get(port);
    if (at === undefined) wanted.set(port, new Set([ip]));
    else at.add(ip);
  }
  if (wanted.size === 0) return () => false;
  return (other) => hostPorts(other).some((port) => meets(port, wanted.get(port.port)));
}

type HostPort = { ip: string; port: string };

/** Whether one has the port at an address of the other; without one it is at all of them. */
const meets = ({ ip }: HostPort, wanted?: ReadonlySet<string>): boolean =>
  wanted !== undefined && (ip === "" || wanted.has("") || wanted.has(ip));

/** Returns the ports of the containers that run as long as the pod. */
function hostPorts({ spec }: Pod): HostPort[] {
  const containers = [...(spec.initContainers ?? []).filter(isRestartableInit), ...spec.containers];
  return containers.flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, protocol = "TCP", hostIP = "" }) => {
      const ip = hostIP === "0.0.0.0" ? "" : hostIP;
      return hostPort ? [{ ip, port: `${protocol}/${hostPort}` }] : [];
    }),
  );
}
