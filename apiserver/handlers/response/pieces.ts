import { ANSWER_PIECE_BYTES, SPARE_PIECES_MAX, SPARE_PIECES_MS } from "../../limits.ts";

/** Bytes of an answer that one write takes. */
export interface Piece {
  readonly bytes: Buffer;
  /** Gives its memory back, which another answer may then get: call it once all is written. */
  readonly written: () => void;
}

/** Memory of pieces that were written. */
let spare: Buffer[] = [];
let forgetting: NodeJS.Timeout | undefined;

/**
 * Joins parts to pieces of ANSWER_PIECE_BYTES at most, each when it is asked for. Their memory is
 * used again: V8 collects all of its heap when much memory outside of it was allocated.
 */
export function* piecesOf(parts: Iterable<Buffer>): Generator<Piece> {
  let memory = take();
  let used = 0;
  for (const part of parts) {
    for (let from = 0; from < part.length; ) {
      if (used === memory.length) {
        yield pieceOf(memory, used);
        [memory, used] = [take(), 0];
      }
      const copied = part.copy(memory, used, from);
      used += copied;
      from += copied;
    }
  }
  yield pieceOf(memory, used);
}

const take = (): Buffer => spare.pop() ?? Buffer.allocUnsafeSlow(ANSWER_PIECE_BYTES);

function pieceOf(memory: Buffer, used: number): Piece {
  return { bytes: memory.subarray(0, used), written: () => keep(memory) };
}

function keep(memory: Buffer): void {
  if (spare.length < SPARE_PIECES_MAX) spare.push(memory);
  forgetting ??= setTimeout(() => {
    spare = [];
    forgetting = undefined;
  }, SPARE_PIECES_MS).unref();
}
