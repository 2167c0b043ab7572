import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { ownerOf } from "../../authn/owner.ts";
import { BACKEND_READ_BYTES } from "../../limits.ts";
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

/** Makes each read of a backend wait for its owner's turn: those of many may come together. */
export function inTurnsOf(owner: string, socket: Socket): PacedSocket {
  const receive: InputTurns["receive"] = (source, take) => {
    source.pause();
    void turns.run(owner, async () => {
      if (take()) source.resume();
      await nextTurn();
    });
  };
  return new PacedSocket(socket, { receive }, owner);
}

/**
 * The body of a backend's answer, each time all that has come, as one piece: pieces of one byte
 * take 400 times their memory. Nothing more is read until it is taken, and then in a turn.
 */
export function bodyInTurns(context: Asker, answer: IncomingMessage): Readable {
  // Node resumes a socket that still has an answer to read, but none that is `_paused`.
  const socket = answer.socket as Socket & { _paused?: boolean };
  const hold = () => {
    socket._paused = true;
    socket.pause();
  };
  const goOn = () => {
    socket._paused = false;
    socket.resume();
  };
  let come = new GrowingBytes();
  const give = () => {
    const part = come.bytes;
    come = new GrowingBytes();
    if (part.length > 0) body.push(part);
  };
  const body = new Readable({
    highWaterMark: BACKEND_READ_BYTES,
    read() {
      void backendTurn(context).then(() => {
        // One that is complete may have left its connection to another answer.
        if (!answer.complete && !body.destroyed) goOn();
      });
    },
    destroy(error, done) {
      answer.destroy();
      done(error);
    },
  });
  // Readers get the error too.
  body.on("error", () => answer.destroy());
  answer.on("data", (piece: Buffer) => {
    if (come.length === 0) {
      hold();
      process.nextTick(give);
    }
    come.append(piece);
  });
  answer.on("end", () => {
    give();
    body.push(null);
    goOn();
  });
  answer.on("error", (error) => body.destroy(error));
  return body;
}
