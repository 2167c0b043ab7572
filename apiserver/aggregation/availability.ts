import type { APIServiceCondition } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { timeOf } from "@raft2kube/api/time.ts";
import type { ApiService, RemoteApiService } from "./api-services.ts";

/** The condition Available without its type and time: upstream's reasons and texts. */
export type Finding = Pick<APIServiceCondition, "status" | "reason" | "message">;

export const LOCAL: Finding = {
  status: "True",
  reason: "Local",
  message: "Local APIServices are always available",
};
export const PASSED: Finding = { status: "True", reason: "Passed", message: "all checks passed" };

export function failedCheck(message: string): Finding {
  return { status: "False", reason: "FailedDiscoveryCheck", message };
}

/**
 * Finds what an APIService's Service lacks; undefined when its server is to be asked. Only a
 * ClusterIP Service has ports and endpoints that can be looked at, as upstream.
 */
export function missing(
  { spec }: RemoteApiService,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): Finding | undefined {
  const { name, namespace, port } = spec.service;
  const called = `service/${name} in ${JSON.stringify(namespace)}`;
  const no = (reason: string, message: string): Finding => ({ status: "False", reason, message });
  if (service === undefined) return no("ServiceNotFound", `${called} is not present`);
  const { type = "ClusterIP", ports = [] } = service.spec ?? {};
  if (type !== "ClusterIP") return undefined;
  const found = ports.find((each) => each.port === port);
  if (found === undefined) {
    return no("ServicePortError", `${called} is not listening on port ${port}`);
  }
  if (slices.length === 0) {
    return no("EndpointsNotFound", `cannot find endpointslices for ${called}`);
  }
  const portName = found.name ?? "";
  if (slices.some((slice) => hasReadyEndpoint(slice, portName))) return undefined;
  return no(
    "MissingEndpoints",
    `endpointslices for ${called} have no addresses with port name ` + JSON.stringify(portName),
  );
}

const hasReadyEndpoint = ({ endpoints, ports }: EndpointSlice, portName: string): boolean =>
  endpoints.some(({ conditions }) => conditions?.ready !== false) &&
  (ports ?? []).some(({ name = "", port }) => name === portName && port !== undefined);

/** An APIService with a finding as its condition; the same object when nothing changes. */
export function withFinding(service: ApiService, finding: Finding, now_ms: number): ApiService {
  const conditions = service.status?.conditions ?? [];
  const before = conditions.find(({ type }) => type === "Available");
  const { status, reason, message } = finding;
  if (before?.status === status && before.reason === reason && before.message === message) {
    return service;
  }
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeOf(now_ms);
  const next: APIServiceCondition = {
    type: "Available",
    status,
    reason: reason ?? "",
    message: message ?? "",
    ...(lastTransitionTime === undefined ? {} : { lastTransitionTime }),
  };
  const others = conditions.filter((each) => each !== before);
  return { ...service, status: { ...service.status, conditions: [...others, next] } };
}
