import { once } from "node:events";
import { createServer, Socket } from "node:net";
import { tcpFrom } from "@raft2kube/linux/socket/socket.ts";
import { unacknowledgedBytes } from "@raft2kube/linux/socket/socket-queue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import {
  CONNECT_TIMEOUTS_MS,
  DELIVERY_CHECK_FIRST_MS,
  DELIVERY_CHECK_MS_MAX,
  DELIVERY_MS_MAX,
  KEEP_ALIVE_MS,
} from "../../limits.ts";
import { keyOf, type Target } from "../../plan/model.ts";
import { Balancer } from "./balancer.ts";
import { type PortContext, type ProxyPort, sourceOf } from "./proxy-port.ts";

/** Both sides of a connection: one side may end first, and one that vanished is found out. */
const SOCKET = {
  allowHalfOpen: true,
  keepAlive: true,
  keepAliveInitialDelay: KEEP_ALIVE_MS,
} as const;

/** A proxy port of TCP, which can end the connections to some endpoints. */
export interface TcpPort extends ProxyPort {
  /** Resets the clients of these endpoints. */
  leave(targets: readonly Target[]): void;
}

/**
 * Opens a proxy port of TCP on `host`, by default one that is free. A connection goes to the first
 * endpoint that accepts it; without one the client's is reset. Rejects with Node's error.
 */
export async function openTcpPort(host: string, context: PortContext, port = 0): Promise<TcpPort> {
  const { clock, budget, log, idle_ms } = context;
  const balancer = new Balancer(clock);
  /** The clients, each with its endpoint once it has one. */
  const clients = new Map<Socket, string>();
  const server = createServer({ pauseOnConnect: true, ...SOCKET }, (client) => {
    client.on("error", () => client.destroy());
    const from = client.remoteAddress ?? "";
    const end = () => {
      giveBack?.();
      client.resetAndDestroy();
    };
    const giveBack = budget.take(from, end, true);
    if (!giveBack) return void client.resetAndDestroy();
    clients.set(client, "");
    if (idle_ms !== undefined) client.setTimeout(idle_ms, () => client.destroy());
    client.once("close", () => {
      clients.delete(client);
      giveBack();
    });
    const choice: Choice = {
      order: (of) => balancer.order(of),
      remember(of, target) {
        balancer.remember(of, target);
        clients.set(client, keyOf(target));
      },
    };
    serve(client, from, choice, context).catch((thrown: unknown) => {
      log.error("a connection could not be served", { error: messageOf(thrown) });
      client.resetAndDestroy();
    });
  });
  server.listen({ host, port, exclusive: true });
  await once(server, "listening");
  server.on("error", (error) => log.warn("a proxy port failed", { error: messageOf(error) }));
  const address = server.address();
  return {
    transport: "tcp",
    port: typeof address === "object" && address ? address.port : 0,
    update: (targets, affinity_s) => balancer.update(targets, affinity_s),
    leave(targets) {
      const left = new Set(targets.map(keyOf));
      for (const [client, of] of clients) if (left.has(of)) client.resetAndDestroy();
    },
    close(now) {
      server.close();
      if (now) for (const client of clients.keys()) client.destroy();
    },
  };
}

type Choice = Pick<Balancer, "order" | "remember">;

/**
 * Passes a client's connection to the first endpoint, in the balancer's order, that accepts one in
 * its time, and resets it if none does. Fewer endpoints than there are times are tried again, as
 * upstream's: a process that had no processor for one of the times finds its attempt too late.
 */
async function serve(
  client: Socket,
  from: string,
  balancer: Choice,
  context: PortContext,
): Promise<void> {
  const { clock, log } = context;
  const source = await sourceOf(context, from);
  // lab:14a begin serve
  const order = balancer.order(from);
  for (const [at, timeout_ms] of CONNECT_TIMEOUTS_MS.entries()) {
    const target = order[at % order.length];
    if (!target) break;
    const endpoint = await dial(target, timeout_ms, client, source(target));
    if (client.destroyed) return void endpoint?.destroy();
    if (!endpoint) continue;
    balancer.remember(from, target);
    join(client, endpoint, clock);
    return;
  }
  log.debug("no endpoint accepted a connection", { endpoints: order.length });
  client.resetAndDestroy();
  // lab:14a end
}

/**
 * Connects to an endpoint, from `localAddress` if it is given; resolves with undefined if it
 * refuses or is slow, or `client` ends.
 */
function dial(
  target: Target,
  timeout_ms: number,
  client: Socket,
  localAddress?: string,
): Promise<Socket | undefined> {
  // lab:14a begin dial
  return new Promise((resolve) => {
    const { address: host, port } = target;
    const socket = localAddress ? tcpFrom(localAddress, SOCKET) : new Socket(SOCKET);
    const end = () => socket.destroy();
    const settle = (result: Socket | undefined) => {
      client.off("close", end);
      socket.setTimeout(0);
      resolve(result);
    };
    client.once("close", end);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => settle(undefined));
    socket.once("connect", () => settle(socket));
    socket.setTimeout(timeout_ms, end);
    socket.connect({ host, port });
  });
  // lab:14a end
}

/** Passes bytes, the ends of streams and resets both ways. */
function join(client: Socket, endpoint: Socket, clock: Clock): void {
  // lab:14a begin join
  client.setNoDelay(true);
  endpoint.setNoDelay(true);
  client.once("close", (failed) => {
    if (failed && !endpoint.writableEnded) endpoint.resetAndDestroy();
    else endpoint.destroy();
  });
  endpoint.once("close", (failed) => {
    if (failed && !client.writableEnded) resetAfterData(client, endpoint, clock);
    else client.destroySoon(); // after the last bytes of the endpoint
  });
  client.pipe(endpoint);
  endpoint.pipe(client);
  // lab:14a end
}

/**
 * Resets a client once it has acknowledged what its endpoint, which failed, had sent: a reset drops
 * what is under way. The endpoint's kernel got it acknowledged, so it is this proxy's to deliver. A
 * client that does not read in time is reset regardless.
 */
function resetAfterData(client: Socket, endpoint: Socket, clock: Clock): void {
  const last = endpoint.read() as Buffer | null; // held back while the client did not read
  if (last) client.write(last);
  const until_ms = clock.monotonic() + DELIVERY_MS_MAX;
  const check = (pause_ms: number) => {
    if (client.destroyed) return;
    const left_ms = until_ms - clock.monotonic();
    if (left_ms <= 0 || unacknowledgedBytes(client) === 0) return void client.resetAndDestroy();
    const next_ms = Math.min(pause_ms * 2, DELIVERY_CHECK_MS_MAX);
    clock.after(Math.min(pause_ms, left_ms), () => check(next_ms));
  };
  check(DELIVERY_CHECK_FIRST_MS);
}
