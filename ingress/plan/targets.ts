import { isIPv4 } from "node:net";
import type { Service, ServicePort } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { Endpoint, Target } from "./model.ts";

/** Services and their EndpointSlices. */
export interface Services {
  service(key: string): Service | undefined;
  slices(key: string): readonly EndpointSlice[];
}

/** The label by which a slice names its Service. */
export const SERVICE_LABEL = "kubernetes.io/service-name";
/** Addresses that would lead to the data plane's own pod or beside the network of pods. */
const REJECTED = /^(0|127|169\.254|22[4-9]|23\d|255)\./;
const HTTP2 = new Set(["kubernetes.io/h2c", "grpc"]);
const REFUSED_PROTOCOLS = new Set(["https", "kubernetes.io/wss"]);

type FoundTarget =
  | Omit<Target, "weight">
  | { readonly problem: string; readonly isMissing: boolean };

/** Looks up the targets of one plan, each once: thousands of rules may name the same. */
export class Targets {
  readonly #services: Services;
  readonly #found = new Map<string, FoundTarget>();

  constructor(services: Services) {
    this.#services = services;
  }

  /** Whether a target was looked up already, which `of` then returns at no cost. */
  knows(key: string, reference: number | string): boolean {
    return this.#found.has(idOf(key, reference));
  }

  /** Returns the target of a Service's port, by its number or its name. */
  of(key: string, reference: number | string): FoundTarget {
    const id = idOf(key, reference);
    const found = this.#found.get(id) ?? targetOf(this.#services, key, reference);
    this.#found.set(id, found);
    return found;
  }
}

const idOf = (key: string, reference: number | string) => `${key} ${typeof reference} ${reference}`;

/**
 * Returns the endpoints of a Service's port, or the reason why requests cannot be sent there: a
 * Service with a name elsewhere would lead them out of the cluster.
 */
function targetOf(services: Services, key: string, reference: number | string): FoundTarget {
  const service = services.service(key);
  if (!service) return { problem: `Service ${key} does not exist`, isMissing: true };
  const refuse = (problem: string) => ({ problem, isMissing: false });
  if (service.spec.type === "ExternalName") return refuse(`Service ${key} is an ExternalName`);
  const port = portOf(service, reference);
  if (!port) return refuse(`Service ${key} has no TCP port ${reference}`);
  const { appProtocol = "" } = port;
  if (REFUSED_PROTOCOLS.has(appProtocol)) {
    return refuse(`port ${reference} of Service ${key}: protocol ${appProtocol} is not supported`);
  }
  return {
    endpoints: endpointsOf(services.slices(key), port.name ?? ""),
    isHttp2: HTTP2.has(appProtocol),
  };
}

function portOf({ spec }: Service, reference: number | string): ServicePort | undefined {
  return (spec.ports ?? []).find(({ name, port, protocol = "TCP" }) => {
    return protocol === "TCP" && (port === reference || (name ?? "") === reference);
  });
}

/** The ready endpoints; without one those that still serve while they end. */
function endpointsOf(slices: readonly EndpointSlice[], portName: string): Endpoint[] {
  const ready = new Map<string, Endpoint>();
  const serving = new Map<string, Endpoint>();
  for (const { addressType, endpoints, ports } of slices) {
    if (addressType !== "IPv4") continue;
    const port = (ports ?? []).find(
      ({ name, protocol = "TCP" }) => protocol === "TCP" && (name ?? "") === portName,
    )?.port;
    if (port === undefined) continue;
    for (const { addresses, conditions = {} } of endpoints ?? []) {
      const [address = ""] = addresses;
      if (!isIPv4(address) || REJECTED.test(address)) continue;
      const into =
        conditions.ready !== false
          ? ready
          : conditions.serving === true && conditions.terminating === true
            ? serving
            : undefined;
      into?.set(`${address}:${port}`, { address, port });
    }
  }
  const chosen = ready.size > 0 ? ready : serving;
  return [...chosen].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}
