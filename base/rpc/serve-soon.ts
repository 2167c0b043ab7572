import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { SOCKET_RETRY_MS_MAX } from "./limits.ts";
import { type RpcServer, type ServerOptions, serveGrpc } from "./server.ts";

/**
 * Starts a server as serveGrpc does; while the disk has no room for its socket it is tried again,
 * and serves later: what frees the disk may be what its process does next.
 */
export async function serveSoon(
  options: ServerOptions & { readonly listen: { readonly path: string } },
): Promise<Pick<RpcServer, "close">> {
  let server: RpcServer | undefined;
  const clock = systemClock({ unref: true });
  const run = async () => {
    server = await serveGrpc(options);
    return Infinity;
  };
  const report = failureLog(logger("rpc"), `the socket ${options.listen.path} has no room`);
  const runner = new Runner({ clock, run, report, max_ms: SOCKET_RETRY_MS_MAX });
  try {
    await run();
  } catch (thrown) {
    if (!isErrno(thrown, "ENOSPC", "EDQUOT")) throw thrown;
    runner.request();
  }
  return {
    async close() {
      await runner.close();
      await server?.close();
    },
  };
}
