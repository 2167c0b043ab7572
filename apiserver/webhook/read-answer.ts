import type { IncomingMessage } from "node:http";
import { countValues } from "@raft2kube/std/count-values.ts";
import { GrowingBytes } from "@raft2kube/std/growing-bytes.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import {
  ANSWER_PIECES_MAX,
  ANSWER_QUICK_BYTES,
  ANSWER_SMALL_BYTES,
  ANSWER_VALUES_MAX,
} from "../limits.ts";

interface ReadAnswer {
  readonly bytes: Buffer;
  /** Why the rest was not read, where there is more. */
  readonly tooLong?: string;
}

/**
 * Reads an answer up to `bytes_max`, or ANSWER_PIECES_MAX pieces; the connection ends with a longer
 * one, or when `hold` returns false for the memory of one that is not small. Each piece is taken
 * in a turn of its own: some are of a single byte. A whole answer, which is parsed next, comes in a
 * turn without another large one; one of more values, which take longer than their bytes, not at
 * all.
 */
export function readAnswer(
  answer: IncomingMessage,
  bytes_max: number,
  values_max = ANSWER_VALUES_MAX,
  hold: (bytes: number) => boolean = () => true,
): Promise<ReadAnswer> {
  return new Promise((resolve, reject) => {
    const body = new GrowingBytes();
    let pieces = 0;
    answer.on("error", reject);
    answer.on("data", (piece: Buffer) => {
      body.append(piece.subarray(0, bytes_max - body.length + 1));
      const isHeld = body.length <= ANSWER_SMALL_BYTES || hold(body.capacity);
      if (body.length > bytes_max || ++pieces > ANSWER_PIECES_MAX || !isHeld) {
        const tooLong = isHeld
          ? `the answer has more than ${bytes_max} bytes, ` +
            `or comes in more than ${ANSWER_PIECES_MAX} pieces`
          : "too many long answers are under way";
        resolve({ bytes: body.take().subarray(0, bytes_max), tooLong });
        return void answer.destroy();
      }
      answer.pause();
      setImmediate(() => answer.resume());
    });
    answer.on("end", () => {
      const turn = body.length > ANSWER_QUICK_BYTES ? nextTurn() : Promise.resolve();
      void turn.then(() => resolve(bounded(body.take(), values_max)));
    });
  });
}

function bounded(bytes: Buffer, values_max: number): ReadAnswer {
  if (countValues(bytes, values_max) <= values_max) return { bytes };
  return { bytes: Buffer.alloc(0), tooLong: `the answer has more than ${values_max} values` };
}
