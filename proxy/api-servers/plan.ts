import type { Target } from "../plan/model.ts";

/**
 * The last answer of a server: ready, not ready, a refused connection, none in time; `unknown`
 * before the first.
 */
export type ServerState = "unknown" | "ready" | "unready" | "refusing" | "silent";

/**
 * Decides which servers to `use` for later connections, in turn, and whose connections end, as it
 * is to `leave` them. Connections go to the servers that are ready; without one to those that
 * answer or were not asked yet, since a server that is not ready can still give the reason, and a
 * paused one accepts connections that are never answered; to all while none answers. A silent
 * server's connections end when another answers, and stay otherwise: it may be this machine that is
 * slow. A refusing one keeps its connections: it finishes what is under way, or is gone and its
 * machine has ended them. Pure.
 */
export function planServers(servers: readonly Target[], stateOf: (server: Target) => ServerState) {
  const those = (state: ServerState) => servers.filter((one) => stateOf(one) === state);
  const ready = those("ready");
  if (ready.length > 0) return { use: ready, leave: those("silent") };
  const answering = those("unready");
  if (answering.length === 0) return { use: servers, leave: [] };
  return { use: [...answering, ...those("unknown")], leave: those("silent") };
}
