import type { RefusedPeer } from "@raft2kube/linux/process/certificate-chains.ts";
import { type Logger, logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";

const REMEDY =
  "certificates are taken if they are few, not compressed, and of RSA, P-256, P-384, P-521, Ed25519";

/** Returns what logs peers that TLS refused: clients and servers, and each reason, by itself. */
export function refusedPeers(
  log: Pick<Logger, "warn"> = logger("tls"),
  clock: Pick<Clock, "monotonic"> = systemClock({ unref: true }),
): (refused: RefusedPeer) => void {
  const logs = new Map<string, ReturnType<typeof recurring>>();
  return ({ peer, ...about }) => {
    const key = `${peer} ${about.reason}`;
    const message = `a TLS ${peer} was refused`;
    const warn = logs.get(key) ?? recurring(log, message, clock);
    logs.set(key, warn);
    warn({ ...about, remedy: REMEDY });
  };
}
