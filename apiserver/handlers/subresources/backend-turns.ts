import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { ownerOf } from "../../authn/owner.ts";
import type { RequestContext } from "../../request/context.ts";

/** The turns of this process's event loop that go to backends. */
const turns = new FairTurns();

type Asker = Pick<RequestContext, "user" | "request" | "owner">;

/**
 * Waits for a turn of the event loop. One backend is asked, or one read of its answer taken, in
 * each, in rotation over the owners of the requests: pods and kubelets answer with what they like,
 * and 64 KiB in chunks of one byte take 15 ms to parse.
 */
export async function backendTurn(context: Asker): Promise<void> {
  await turns.run(ownerOf(context).name, () => nextTurn());
}

/**
 * The body of a backend's answer, each time all that has come, as one piece. Nothing is read while
 * it waits for its turn; BACKEND_READ_BYTES bounds what has come by then.
 */
export function bodyInTurns(context: Asker, answer: IncomingMessage): Readable {
  // Readers get the error too.
  return Readable.from(partsInTurns(context, answer)).on("error", () => answer.destroy());
}

async function* partsInTurns(context: Asker, answer: IncomingMessage): AsyncGenerator<Buffer> {
  for await (const part of answer) {
    yield part as Buffer;
    await backendTurn(context);
  }
}
