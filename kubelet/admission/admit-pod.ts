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
 * resources since. Throws AdmissionError with upstream's messages.
 */
export function admitPod(pod: Pod, others: Pod[], allocatable: Record<string, string>): void {
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
  checkPorts(pod, others);
}

function checkAmount(resource: string, requested: number, used: number, capacity: number): void {
  if (requested === 0 || used + requested <= capacity) return;
  const message =
    `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, ` +
    `capacity: ${capacity}`;
  throw new AdmissionError(`OutOf${resource}`, message);
}

function checkPorts(pod: Pod, others: Pod[]): void {
  const taken = new Map<string, Set<string>>();
  for (const { ip, port } of others.flatMap(hostPorts)) {
    const at = taken.get(port);
    if (at === undefined) taken.set(port, new Set([ip]));
    else at.add(ip);
  }
  if (hostPorts(pod).some((port) => conflicts(port, taken.get(port.port)))) {
    const message = "Predicate NodePorts failed: node(s) didn't have free ports for the requested";
    throw new AdmissionError("NodePorts", `${message} pod ports`);
  }
}

type HostPort = { ip: string; port: string };

/** Whether another has the port at one address; a port without one is at all of them. */
const conflicts = ({ ip }: HostPort, taken?: ReadonlySet<string>): boolean =>
  taken !== undefined && (ip === "" || taken.has("") || taken.has(ip));

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
