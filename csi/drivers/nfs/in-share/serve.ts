import { asRpcError } from "@raft2kube/rpc/error.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { FromProcess, Performer, ToProcess } from "./operations.ts";

/**
 * Carries out what the driver sends over the channel of this process, one operation at a time. A
 * server that is away blocks only this process: the driver ends it.
 */
export function serveOperations(performer: Performer): void {
  const send = (message: FromProcess) => process.send?.(message);
  process.on("message", (message: ToProcess) => {
    const perform = performer[message.name] as (request: unknown) => Promise<unknown>;
    assert(perform !== undefined, () => `unknown operation ${message.name}`);
    perform(message.request).then(
      (result) => send({ kind: "done", result }),
      (thrown: unknown) => {
        const { status, message } = asRpcError(thrown);
        send({ kind: "failed", status, message });
      },
    );
  });
  // The driver has ended: so does this, with its mounts.
  process.on("disconnect", () => process.exit(0));
  send({ kind: "ready" });
}
