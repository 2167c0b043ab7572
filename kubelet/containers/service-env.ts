import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { SERVICE_LINK_PORTS_MAX } from "../limits.ts";

/**
 * Returns the variables of the namespace's Services in the form of Docker links:
 * `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`, `NAME_PORT_80_TCP_ADDR`, ... Source: documentation of
 * discovery by environment variables. Headless Services have none. Throws RangeError for Services
 * of more than SERVICE_LINK_PORTS_MAX ports together.
 */
export async function serviceEnv(services: Service[]): Promise<Map<string, string>> {
  const linked = services.filter(({ spec: { clusterIP, ports = [] } }) => {
    return clusterIP && clusterIP !== "None" && ports.length > 0;
  });
  const ports = linked.reduce((sum, { spec }) => sum + (spec.ports?.length ?? 0), 0);
  if (ports > SERVICE_LINK_PORTS_MAX) {
    throw new RangeError(
      `the Services of the namespace have ${ports} ports, of which variables are made for at most ` +
        `${SERVICE_LINK_PORTS_MAX}: set enableServiceLinks: false in the pod`,
    );
  }
  const env = new Map<string, string>();
  const slices = new Slices();
  for (const service of linked.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))) {
    for (const [name, value] of variablesOf(service)) {
      if (slices.due) await slices.pause();
      env.set(name, value);
    }
  }
  return env;
}

function* variablesOf(service: Service): Generator<[name: string, value: string]> {
  const { clusterIP: ip = "", ports = [] } = service.spec;
  const first = ports[0]!;
  const prefix = envName(nameOf(service));
  yield [`${prefix}_SERVICE_HOST`, ip];
  yield [`${prefix}_SERVICE_PORT`, String(first.port)];
  for (const port of ports) {
    if (port.name) yield [`${prefix}_SERVICE_PORT_${envName(port.name)}`, String(port.port)];
  }
  const host = ip.includes(":") ? `[${ip}]` : ip;
  yield [`${prefix}_PORT`, `${protocolOf(first)}://${host}:${first.port}`];
  for (const port of ports) {
    const protocol = protocolOf(port);
    const base = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
    yield [base, `${protocol}://${host}:${port.port}`];
    yield [`${base}_PROTO`, protocol];
    yield [`${base}_PORT`, String(port.port)];
    yield [`${base}_ADDR`, ip];
  }
}

const nameOf = (service: Service): string => service.metadata.name ?? "";

const protocolOf = (port: { protocol?: string }): string => (port.protocol ?? "TCP").toLowerCase();

const envName = (name: string): string => name.toUpperCase().replaceAll("-", "_");
