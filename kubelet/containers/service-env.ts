import type { Service } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Returns the variables of the namespace's Services in the form of Docker links:
 * `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`, `NAME_PORT_80_TCP_ADDR`, ... Source: documentation of
 * discovery by environment variables. Headless Services have none.
 */
export function serviceEnv(services: Service[]): Map<string, string> {
  const env = new Map<string, string>();
  const ordered = [...services].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const service of ordered) {
    const ip = service.spec.clusterIP;
    const ports = service.spec.ports ?? [];
    const first = ports[0];
    if (!ip || ip === "None" || !first) continue;
    const prefix = envName(nameOf(service));
    env.set(`${prefix}_SERVICE_HOST`, ip);
    env.set(`${prefix}_SERVICE_PORT`, String(first.port));
    for (const port of ports) {
      if (port.name) env.set(`${prefix}_SERVICE_PORT_${envName(port.name)}`, String(port.port));
    }
    const host = ip.includes(":") ? `[${ip}]` : ip;
    env.set(`${prefix}_PORT`, `${protocolOf(first)}://${host}:${first.port}`);
    for (const port of ports) {
      const protocol = protocolOf(port);
      const base = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      env.set(base, `${protocol}://${host}:${port.port}`);
      env.set(`${base}_PROTO`, protocol);
      env.set(`${base}_PORT`, String(port.port));
      env.set(`${base}_ADDR`, ip);
    }
  }
  return env;
}

const nameOf = (service: Service): string => service.metadata.name ?? "";

const protocolOf = (port: { protocol?: string }): string => (port.protocol ?? "TCP").toLowerCase();

const envName = (name: string): string => name.toUpperCase().replaceAll("-", "_");
