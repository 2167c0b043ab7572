import type { Clock } from "@raft2kube/std/clock.ts";
import type { KubeConnection } from "./credentials.ts";
import { http1Transport } from "./http1.ts";
import { http2Transport } from "./http2.ts";
import type { Transport } from "./transport.ts";

/**
 * The usual transport of a connection: HTTP/2 over TLS, so that all watches of a client share one
 * connection; HTTP/1.1 for `http://`, which only tests and `kubectl proxy` have.
 */
export function httpTransport(connection: KubeConnection, clock: Clock): Transport {
  const secure = new URL(connection.server).protocol === "https:";
  return secure ? http2Transport(connection, clock) : http1Transport(connection, clock);
}
