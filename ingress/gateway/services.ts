import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { digest } from "@raft2kube/std/digest.ts";
import {
  GATEWAY_PORT_FIRST,
  GATEWAY_PORTS_MAX,
  GATEWAY_PORTS_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { Bounds } from "../plan/bounds.ts";
import type { Gateway } from "./types.ts";

/** The annotation of a Service with the Gateway that it is for, `namespace/name`. */
export const OF_GATEWAY = "r2k.io/gateway";

export interface ServicesPlan {
  /** The Services that Gateways have, by the Gateway's key. */
  readonly wanted: ReadonlyMap<string, Service>;
  /** The data plane's port for a port of a Gateway. */
  portOf(gateway: Gateway, port: number): number | undefined;
  /** Services that differ from the present ones or are new. */
  readonly changed: readonly Service[];
  readonly deleted: readonly Service[];
}

type Ports = NonNullable<Service["spec"]["ports"]>;

/**
 * Plans a Service of the type LoadBalancer for each Gateway. Its target ports are the record of the
 * data plane's ports: a Gateway's port keeps the one that it has, a new one gets a free one. A
 * namespace has a bounded number of them, for the Gateways that come first.
 */
export function planServices(
  gateways: readonly Gateway[],
  present: readonly Service[],
  namespace: string,
): ServicesPlan {
  const own = Map.groupBy(present, ({ metadata }) => metadata.annotations?.[OF_GATEWAY]);
  const taken = new Set(
    present.flatMap(({ spec }) => (spec.ports ?? []).map(({ targetPort }) => Number(targetPort))),
  );
  const free = Array.from({ length: GATEWAY_PORTS_MAX }, (_, at) => GATEWAY_PORT_FIRST + at)
    .filter((port) => !taken.has(port))
    .values();
  const bounds = new Bounds();
  const wanted = new Map<string, Service>();
  const changed: Service[] = [];
  for (const gateway of gateways) {
    const key = keyOf(gateway);
    const [former] = own.get(key) ?? [];
    const before = former?.spec.ports ?? [];
    const numbers = new Set(gateway.spec.listeners.map(({ port }) => port));
    const ports: Ports = [...numbers].flatMap((port) => {
      const { namespace: tenant = "" } = gateway.metadata;
      if (bounds.take([tenant, 1, GATEWAY_PORTS_OF_NAMESPACE_MAX]) !== undefined) return [];
      const known = before.find((each) => each.port === port);
      const targetPort = known?.targetPort ?? free.next().value;
      return targetPort === undefined
        ? []
        : (known ?? { name: `p${port}`, port, protocol: "TCP" as const, targetPort });
    });
    if (ports.length === 0) continue;
    const isSame = textOf(ports) === textOf(before);
    const service = former
      ? { ...former, spec: { ...former.spec, ports } }
      : serviceOf(key, namespace, ports);
    wanted.set(key, service);
    if (!isSame) changed.push(service);
  }
  own.delete(undefined);
  const deleted = [...own].flatMap(([key = "", services]) => (wanted.has(key) ? [] : services));
  const portOf = (gateway: Gateway, wantedPort: number) => {
    const ports = wanted.get(keyOf(gateway))?.spec.ports ?? [];
    const targetPort = ports.find(({ port }) => port === wantedPort)?.targetPort;
    return targetPort === undefined ? undefined : Number(targetPort);
  };
  return { wanted, changed, deleted, portOf };
}

/**
 * Makes the changes of a plan, and returns why the first that failed did: a Gateway that gets no
 * Service, as all node ports are taken, must not keep the pass from what concerns others.
 */
export async function applyServices(
  { changed, deleted }: Pick<ServicesPlan, "changed" | "deleted">,
  services: Pick<ResourceClient<Service>, "create" | "update" | "delete">,
): Promise<unknown> {
  let failure: unknown;
  const made = (write: Promise<unknown>) =>
    ignoreLostRace(write).catch((thrown: unknown) => void (failure ??= thrown));
  for (const service of deleted) await made(services.delete(nameOf(service)));
  for (const service of changed) {
    const isNew = service.metadata.uid === undefined;
    await made(isNew ? services.create(service) : services.update(service));
  }
  return failure;
}

const textOf = (ports: Ports) =>
  JSON.stringify(ports.map(({ port, targetPort }) => [port, targetPort]));

function serviceOf(key: string, namespace: string, ports: Ports): Service {
  const name = `gateway-${digest(key)}`;
  return {
    metadata: { name, namespace, annotations: { [OF_GATEWAY]: key } },
    spec: {
      type: "LoadBalancer",
      // Clients keep their addresses, by which their connections are bounded.
      externalTrafficPolicy: "Local",
      allocateLoadBalancerNodePorts: false,
      selector: { app: "ingress" },
      ports,
    },
  };
}
