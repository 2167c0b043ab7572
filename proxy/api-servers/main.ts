import { STALE_CONNECTION } from "@raft2kube/client-kube/errors.ts";
import { http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import type { Transport } from "@raft2kube/client-kube/transport/transport.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno } from "@raft2kube/std/errors.ts";
import { Budget } from "../apply/userspace/proxy-port.ts";
import { openTcpPort, type TcpPort } from "../apply/userspace/tcp-port.ts";
import { HealthPoller } from "../health-poller.ts";
import { API_CHECK_TIMEOUT_MS, API_CONNECTIONS_MAX } from "../limits.ts";
import { keyOf, type Target } from "../plan/model.ts";
import { planServers, type ServerState } from "./plan.ts";

export interface ApiBalancerOptions {
  /** Where clients of this machine connect, mostly to its loopback address. */
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  readonly servers: readonly Target[];
  readonly ca: string;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * Passes connections on to API servers that are ready (docs/adr/0022). They are asked for `/readyz`
 * twice a second. Connections of a server that stopped answering are ended, so that its clients
 * come back and get another; one that answers that it is not ready, or refuses new ones, keeps
 * those that it has.
 */
export async function startApiBalancer(
  options: ApiBalancerOptions,
): Promise<{ close(): Promise<void> }> {
  const { servers, clock, log } = options;
  const ports: TcpPort[] = [];
  const budget = new Budget({ most: API_CONNECTIONS_MAX, clock, log });
  const asked = new Map(
    servers.map((server) => {
      const connection = { server: `https://${keyOf(server)}`, ca: options.ca };
      return [keyOf(server), http1Transport(connection, clock)];
    }),
  );
  const answers = new Map<string, ServerState>();
  /** A server stays ready until two answers in a row are others. */
  const stateOf = (server: Target) =>
    poller.health(server) ? "ready" : (answers.get(keyOf(server)) ?? "unknown");
  let shown = "";
  const update = () => {
    const text = servers.map((one) => `${keyOf(one)} ${stateOf(one)}`).join(", ");
    if (text === shown) return;
    shown = text;
    const plan = planServers(servers, stateOf);
    for (const port of ports) {
      port.update(plan.use, undefined);
      port.leave(plan.leave);
    }
    log.info("API servers", { servers: text });
  };
  const poller = new HealthPoller({
    clock,
    // After each round: the poller's own verdict does not distinguish silence from a refusal.
    changed: () => undefined,
    async check(server) {
      const state = await ask(asked.get(keyOf(server))!);
      answers.set(keyOf(server), state);
      return state === "ready";
    },
    checked: update,
  });
  const close = async () => {
    await poller.close();
    for (const port of ports) port.close(true);
    for (const transport of asked.values()) transport.close();
  };
  try {
    for (const { host, port } of options.listen) {
      ports.push(await openTcpPort(host, { clock, budget, log }, port));
    }
  } catch (thrown) {
    await close();
    throw thrown;
  }
  update();
  poller.watch(servers);
  return { close };
}

/**
 * Asks a server whether it is ready, and whether it answers at all: without a majority of the store
 * `/readyz` takes longer than the time for an answer.
 */
async function ask(server: Transport): Promise<ServerState> {
  const timeout_ms = API_CHECK_TIMEOUT_MS;
  const get = (path: string) => server.fetch({ method: "GET", path, headers: {}, timeout_ms });
  const answers = await Promise.allSettled([get("/readyz"), get("/livez/ping")]);
  if (answers[0].status === "fulfilled" && answers[0].value.status === 200) return "ready";
  if (answers.some(({ status }) => status === "fulfilled")) return "unready";
  const refuses = errno("ECONNREFUSED", "ECONNRESET", STALE_CONNECTION);
  return answers.some((one) => "reason" in one && refuses(one.reason)) ? "refusing" : "silent";
}
