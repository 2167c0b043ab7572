import { createHash } from "node:crypto";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import {
  GATEWAY_PORT_FIRST, GATEWAY_PORTS_MAX, GATEWAY_PORTS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import type { Gateway } from "./types.ts";

/** The annotation of a Service with the Gateway that it is for, `namespace/name`. */
export const OF_GATEWAY = "r2k.io/gateway";

export interface ServicesPlan {
  /** The Services that Gateways have, by the Gateway's key. */
  readonly wanted: ReadonlyMap<string, Service>;
  /** Services that differ from the present ones or are new. */
  readonly changed: readonly Service[];
  readonly deleted: readonly Service[];
}

/**
 * Plans a Service of the type LoadBalancer for each Gateway. Its target ports are the record of the
 * data plane's ports: a Gateway's port keeps the one that it has, a new one gets a free one. A
 * namespace has a bounded number of them, for the Gateways that come first.
 */
export function planServices(
  gateways: readonly Gateway[], present: readonly Service[], namespace: string,
): ServicesPlan {
  const own = new Map(present.flatMap((service) => {
    const key = service.metadata.annotations?.[OF_GATEWAY];
    return key === undefined ? [] : [[key, service] as const];
  }));
  const taken = new Set(present.flatMap(({ spec }) =>
    (spec.ports ?? []).map(({ targetPort }) => Number(targetPort))));
  const used = new Map<string, number>();
  const wanted = new Map<string, Service>();
  const changed: Service[] = [];
  for (const gateway of gateways) {
    const key = keyOf(gateway);
    const former = own.get(key);
    const { namespace: tenant = "" } = gateway.metadata;
    const count = used.get(tenant) ?? 0;
    const free = GATEWAY_PORTS_OF_NAMESPACE_MAX - count;
    const ports = portsOf(gateway, former, { taken, free });
    used.set(tenant, count + ports.length);
    if (ports.length === 0) continue;
    const isSame = former && textOf(ports) === textOf(former.spec.ports ?? []);
    const service = isSame ? former
      : former ? { ...former, spec: { ...former.spec, ports } } : serviceOf(key, namespace, ports);
    wanted.set(key, service);
    if (!isSame) changed.push(service);
  }
  const deleted = [...own].filter(([key]) => !wanted.has(key)).map(([, service]) => service);
  return { wanted, changed, deleted };
}

/** The data plane's port for a Gateway's port. */
export function dataPlanePort(
  { wanted }: ServicesPlan, gateway: Gateway, port: number,
): number | undefined {
  const ports = wanted.get(keyOf(gateway))?.spec.ports ?? [];
  const found = ports.find((each) => each.port === port)?.targetPort;
  return found === undefined ? undefined : Number(found);
}

type Ports = NonNullable<Service["spec"]["ports"]>;

const textOf = (ports: Ports) =>
  JSON.stringify(ports.map(({ port, targetPort }) => [port, targetPort]));

function portsOf(
  gateway: Gateway, former: Service | undefined,
  { taken, free }: { taken: Set<number>; free: number },
): Ports {
  const numbers = [...new Set(gateway.spec.listeners.map(({ port }) => port))].slice(0, free);
  return numbers.flatMap((port) => {
    const known = former?.spec.ports?.find((each) => each.port === port);
    if (known) return known;
    const targetPort = freePort(taken);
    return targetPort === undefined ? []
      : { name: `p${port}`, port, protocol: "TCP" as const, targetPort };
  });
}

function freePort(taken: Set<number>): number | undefined {
  for (let port = GATEWAY_PORT_FIRST; port < GATEWAY_PORT_FIRST + GATEWAY_PORTS_MAX; port++) {
    if (taken.has(port)) continue;
    taken.add(port);
    return port;
  }
  return undefined;
}

function serviceOf(key: string, namespace: string, ports: Ports): Service {
  const digest = createHash("sha256").update(key).digest("hex").slice(0, 16);
  return {
    metadata: { name: `gateway-${digest}`, namespace, annotations: { [OF_GATEWAY]: key } },
    spec: {
      type: "LoadBalancer", allocateLoadBalancerNodePorts: false,
      selector: { app: "ingress" }, ports,
    },
  };
}
