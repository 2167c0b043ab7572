import { MESSAGE_BYTES_MAX } from "@raft2kube/rpc/limits.ts";
import { expect, test } from "vitest";
import { LIST_PIECE_ITEMS } from "../limits.ts";
import { inPieces } from "./pieces.ts";

/** Labels and annotations that the kubelet passes on of a pod, and as much for all else. */
const SANDBOX_BYTES = 2 * 16 * 1024;

test("a list is as many messages as it takes, each of which fits", () => {
  const items = Array.from({ length: 2 * LIST_PIECE_ITEMS + 1 }, (_, at) => at);
  expect(inPieces(items).map(({ length }) => length)).toEqual([
    LIST_PIECE_ITEMS,
    LIST_PIECE_ITEMS,
    1,
  ]);
  expect(inPieces(items).flat()).toEqual(items);
  expect(inPieces([])).toEqual([[]]);
  expect(LIST_PIECE_ITEMS * SANDBOX_BYTES).toBeLessThan(MESSAGE_BYTES_MAX);
});
