import { isIP } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Budget } from "./apply/userspace/proxy-port.ts";
import { openTcpPort } from "./apply/userspace/tcp-port.ts";
import { openUdpPort } from "./apply/userspace/udp-port.ts";
import {
  CONNECTIONS_MAX,
  CONNECTIONS_PER_CLIENT_MAX,
  LOOKUP_MS,
  PORT_PROXY_TIMEOUT_S_MAX,
} from "./limits.ts";

const OPEN = { tcp: openTcpPort, udp: openUdpPort } as const;
const ANY = "0.0.0.0";
const USAGE = "port-proxy tcp|udp PORT SERVICE [TIMEOUT], for example: udp 53 kube-dns.default 1";

/** A port and the Service behind it. */
export interface PortProxySpec {
  readonly transport: keyof typeof OPEN;
  /** The port that it listens on, and the Service's. */
  readonly port: number;
  /** The Service's name as the pod resolves it, or an IPv4 address. */
  readonly service: string;
  /** Connections and UDP clients without traffic for this time are ended; undefined: UDP's own. */
  readonly idle_ms: number | undefined;
}

/**
 * Reads the arguments of upstream's image proxy-to-service: `tcp|udp PORT SERVICE [TIMEOUT]`, the
 * timeout in seconds. Throws `BAD_ARGUMENT` naming the one that is wrong.
 */
export function readPortProxyArguments(args: readonly string[]): PortProxySpec {
  const [transport, port, service, timeout] = args;
  const problem = (text: string) => new CodedError("BAD_ARGUMENT", text, { remedy: USAGE });
  if (transport !== "tcp" && transport !== "udp") {
    throw problem(`${transport ?? "no argument"}: the protocol is tcp or udp`);
  }
  if (!isNumber(port, 65_535)) throw problem(`${port ?? "no second argument"}: not a port`);
  if (!service || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(service)) {
    throw problem(`${service ?? "no third argument"}: not a Service's name`);
  }
  if (timeout !== undefined && !isNumber(timeout, PORT_PROXY_TIMEOUT_S_MAX)) {
    throw problem(`${timeout}: not a timeout of 1 to ${PORT_PROXY_TIMEOUT_S_MAX} seconds`);
  }
  if (args.length > 4) throw problem(`${args[4]}: there is no fifth argument`);
  const idle_ms = timeout === undefined ? undefined : Number(timeout) * 1_000;
  return { transport, port: Number(port), service, idle_ms };
}

function isNumber(text: string | undefined, most: number): text is string {
  return text !== undefined && /^[1-9]\d{0,5}$/.test(text) && Number(text) <= most;
}

export interface PortProxyOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The address to listen on; by default every one of the pod. */
  readonly host?: string;
  /** Resolves a name to its IPv4 addresses, with the search domains of the pod. */
  lookup(name: string): Promise<readonly string[]>;
}

/**
 * Serves a port of this pod with what a Service answers on the same one: the program of the image
 * `port-proxy`. The name is resolved again every few seconds, and a connection goes to the first
 * address that accepts it; without an address connections are reset. Rejects with Node's error when
 * the port cannot be opened.
 */
export async function startPortProxy(
  { transport, port, service, idle_ms }: PortProxySpec,
  { clock, log, lookup, host = ANY }: PortProxyOptions,
): Promise<{ close(): Promise<void> }> {
  const bounds = { most: CONNECTIONS_MAX, mostPerClient: CONNECTIONS_PER_CLIENT_MAX };
  const budget = new Budget({ ...bounds, clock, log });
  const open = await OPEN[transport](host, { clock, log, budget, idle_ms }, port);
  const lookups = new Runner({
    clock,
    max_ms: LOOKUP_MS,
    async run() {
      const addresses = isIP(service) ? [service] : await lookup(service);
      open.update(
        addresses.map((address) => ({ address, port })),
        undefined,
      );
    },
    report: failureLog(log, `${service} is not resolved`),
  });
  lookups.request(0);
  return {
    async close() {
      open.close(true);
      await lookups.close();
    },
  };
}
