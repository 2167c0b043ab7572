import type { Readable, Writable } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { streamTurns } from "@raft2kube/streaming/paced.ts";
import { EXEC_DRAIN_MS } from "../limits.ts";

/** One output of a command on its way to the client. */
export interface OutputCopy {
  /** Settles when the output has ended and its last bytes are with the client's stream. */
  readonly ended: Promise<void>;
  /** Counts the bytes that were copied. */
  bytes(): number;
  /** Reports whether the client has to read before more is copied. */
  waits(): boolean;
}

/**
 * Copies an output to the client, in turns with those of other commands: 64 KiB take 2 ms, and one
 * user may run hundreds of commands. Without a client's stream it is read and dropped. Ends when
 * either side goes.
 */
export function copyOutput(
  from: Readable | null | undefined,
  to: Writable | undefined,
  turns: Pick<InputTurns, "receive"> = streamTurns,
): OutputCopy {
  let bytes = 0;
  const waits = () => to !== undefined && !to.destroyed && to.writableNeedDrain;
  const copy = (ended: Promise<void>) => ({ ended, bytes: () => bytes, waits });
  if (!from) return copy(Promise.resolve());
  if (!to) {
    from.resume();
    return copy(Promise.resolve());
  }
  const take = (chunk: Buffer) => {
    bytes += chunk.length;
    return to.destroyed || to.write(chunk);
  };
  from.on("data", (chunk: Buffer) => turns.receive(from, () => take(chunk)));
  to.on("drain", () => from.resume());
  to.once("close", () => from.resume());
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  // An end may come while what came before it waits for its turn.
  const end = () => turns.receive(from, () => (resolve(), true));
  from.once("end", end).once("close", end);
  return copy(ended);
}

/**
 * Waits for the output after the command's end: until it has ended, or nothing has come for
 * EXEC_DRAIN_MS, because the command's children may keep it open without end. Time in which the
 * client has to read first does not count: a slow one gets the output whole. Ends when the client
 * has gone.
 */
export async function drained(
  copies: readonly OutputCopy[],
  clock: Clock,
  gone: AbortSignal,
): Promise<void> {
  const ended = Promise.all(copies.map((copy) => copy.ended)).then(() => true);
  const total = () => copies.reduce((sum, copy) => sum + copy.bytes(), 0);
  const waits = () => copies.some((copy) => copy.waits());
  for (let quiet = false; !quiet && !gone.aborted; ) {
    const [before, waited] = [total(), waits()];
    const patience = new AbortController();
    const either = AbortSignal.any([patience.signal, gone]);
    const over = await Promise.race([ended, delay(clock, EXEC_DRAIN_MS, either)]);
    patience.abort();
    if (over) return;
    quiet = total() === before && !waited && !waits();
  }
}
