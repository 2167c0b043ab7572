import { expect, it } from "vitest";
import { ANSWER_PIECE_BYTES } from "../../limits.ts";
import { type Piece, piecesOf } from "./pieces.ts";

const filled = (bytes: number, value: number) => Buffer.alloc(bytes, value);

it("pieces are the parts' bytes in their order, each of one size but the last", () => {
  const parts = [
    filled(10, 1),
    filled(3 * ANSWER_PIECE_BYTES, 2),
    Buffer.alloc(0),
    filled(ANSWER_PIECE_BYTES, 3),
  ];
  // All are held: memory that is not given back is not used again.
  const pieces = [...piecesOf(parts)];
  expect(pieces.map(({ bytes }) => bytes.length)).toEqual([
    ...Array<number>(4).fill(ANSWER_PIECE_BYTES),
    10,
  ]);
  expect(Buffer.concat(pieces.map(({ bytes }) => bytes)).equals(Buffer.concat(parts))).toBe(true);
  for (const { written } of pieces) written();
});

it("memory is used again once it was written, and not before", () => {
  const one = (value: number): Piece => [...piecesOf([filled(100, value)])][0]!;
  const first = one(1);
  const second = one(2);
  expect(first.bytes.buffer).not.toBe(second.bytes.buffer);
  first.written();
  const third = one(3);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(second.bytes.equals(filled(100, 2))).toBe(true);
  // No later piece has bytes that the memory held before.
  expect(third.bytes.equals(filled(100, 3))).toBe(true);
});
