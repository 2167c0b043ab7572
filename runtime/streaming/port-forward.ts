import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { connectLoopback } from "@raft2kube/linux/socket/socket.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { acceptPortForward } from "@raft2kube/streaming/accept-port-forward.ts";
import type { ForwardedConnection } from "@raft2kube/streaming/port-forward.ts";
import { RuntimeError } from "../errors.ts";
import { FORWARD_DRAIN_MS } from "../limits.ts";
import type { Base, Records, Streams } from "../ports.ts";
import { type Streamed, type StreamHandler, takeShare } from "./server.ts";

/** Starts a connection inside a pod; with the host's network, in our own namespace. */
function connectInPod(netns: string | undefined, family: 4 | 6, port: number): Socket {
  if (netns === undefined) return connectLoopback(family, port);
  return inNetns(netns, () => connectLoopback(family, port) as never);
}

/** Connects to a port of the pod's loopback by IPv4, else by IPv6; loopback refuses immediately. */
function dial(netns: string | undefined, port: number): Socket {
  try {
    return connectInPod(netns, 4, port);
  } catch (error) {
    if (!isErrno(error, "ECONNREFUSED")) throw error;
    return connectInPod(netns, 6, port);
  }
}

async function serve(
  netns: string | undefined,
  { port, data, error }: ForwardedConnection,
  take: () => () => void,
): Promise<void> {
  let give = (): void => undefined;
  try {
    give = take();
    const socket = dial(netns, port);
    await Promise.all([pipeline(data, socket), pipeline(socket, data)]);
    error.end();
  } catch (thrown) {
    const message = `an error occurred forwarding ${port}: ${messageOf(thrown)}`;
    if (!error.destroyed) error.end(message);
    // Ended and not broken off: a client that sees its data stream reset looks for no reason.
    data.resume().end();
  } finally {
    give();
  }
}

/** PortForward needs a sandbox that is ready. */
export function requireForwardable(runtime: Records, id: string): void {
  if (runtime.sandboxes.get(id).state === "ready") return;
  throw new RuntimeError("failed-precondition", `sandbox ${id} is not ready`);
}

/** Serves one port-forward session: connections to ports inside the pod. */
export function portForwardHandler(
  runtime: Base & Records & Streams,
  streamed: Streamed,
  ports: number[],
): StreamHandler {
  const take = () => takeShare(runtime.streaming.forwarded, streamed, "forwarded connections");
  return async (request, socket, head) => {
    const { netns } = runtime.sandboxes.get(streamed.sandboxId);
    const open = new Set<ForwardedConnection>();
    await acceptPortForward(request, socket, head, {
      clock: runtime.clock,
      ports,
      onConnection: (connection) => {
        open.add(connection);
        void serve(netns, connection, take).finally(() => open.delete(connection));
      },
    });
    // A pod that does not read what its client sent before it went keeps it no longer.
    if (open.size > 0) await delay(runtime.clock, FORWARD_DRAIN_MS);
    for (const { data } of open) data.destroy();
  };
}
