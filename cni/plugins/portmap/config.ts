import { isIP } from "node:net";
import { CniError } from "../../lib/errors.ts";
import type { PluginCall } from "../../lib/skel.ts";
import type { PortMapping } from "../../lib/types.ts";
import { isLoopback } from "./localnet.ts";

export interface PortmapConfig {
  mappings: PortMapping[];
  /** Masquerade connections from the container's own subnet, so that replies pass this host. */
  snat: boolean;
  /** Masquerade everything. */
  masqAll: boolean;
}

const UNSUPPORTED = [
  "conditionsV4",
  "conditionsV6",
  "externalSetMarkChain",
  "markMasqBit",
] as const;

/** Parses the configuration; error 2 for an unsupported option, 7 for an invalid value. */
export function configOf(call: PluginCall): PortmapConfig {
  const { config } = call;
  for (const key of UNSUPPORTED) {
    if (config[key] === undefined || config[key] === null) continue;
    throw new CniError("unsupported-field", `portmap: ${key} is not supported`);
  }
  const runtime = config.runtimeConfig as { portMappings?: unknown } | undefined;
  const mappings = runtime?.portMappings ?? [];
  if (!Array.isArray(mappings)) {
    throw new CniError("invalid-config", "runtimeConfig.portMappings is not a list");
  }
  const mapped = mappings.map(mappingOf).filter((mapping) => mapping.hostPort !== 0);
  const snat = config.snat !== false;
  if (!snat && mapped.some(isLoopback)) {
    const what = "portmap: a hostIP in 127.0.0.0/8 cannot be served with snat false; set it true";
    throw new CniError("invalid-config", what);
  }
  return { mappings: mapped, snat, masqAll: config.masqAll === true };
}

/** Names are read in upper case too, as Go reads JSON: containerd writes `HostPort`. */
function mappingOf(value: unknown): PortMapping {
  const fields = Object.entries(value ?? {}).map(([name, field]) => [
    `${name[0]?.toLowerCase()}${name.slice(1)}`,
    field,
  ]);
  const mapping = Object.fromEntries(fields) as Partial<PortMapping>;
  const invalid = (why: string) =>
    new CniError("invalid-config", `port mapping ${JSON.stringify(value)}: ${why}`);
  const isPort = (port: unknown, least: number) =>
    typeof port === "number" && Number.isInteger(port) && port >= least && port <= 65535;
  const { hostPort = 0, containerPort } = mapping;
  // A host port of 0 means: none.
  if (!isPort(hostPort, 0)) throw invalid("hostPort is not a port");
  if (!isPort(containerPort, 1)) throw invalid("containerPort is not a port");
  const protocol = (mapping.protocol ?? "tcp").toLowerCase();
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    throw invalid("protocol is none of tcp, udp, sctp");
  }
  const hostIP = mapping.hostIP ?? "";
  if (hostIP !== "" && isIP(hostIP) === 0) throw invalid("hostIP is not an IP address");
  const unspecified = hostIP === "" || hostIP === "0.0.0.0" || hostIP === "::";
  return {
    hostPort,
    containerPort: containerPort as number,
    protocol,
    ...(unspecified ? {} : { hostIP }),
  };
}
