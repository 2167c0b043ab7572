import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { BODY_BYTES_MAX } from "../limits.ts";
import { readBody } from "./body.ts";
import type { Incoming } from "./context.ts";

const { signal } = new AbortController();

/** A request whose body comes in parts, each cut from a received buffer of a stream's window. */
function requestOf(parts: number, bytes: number): Incoming {
  const received = () => Buffer.alloc(65_536, "x").subarray(0, bytes);
  const body = Readable.from(Array.from({ length: parts }, received), { objectMode: false });
  return Object.assign(body, { headers: {} }) as unknown as Incoming;
}

it.each([
  [1, 10],
  [500, 1],
  [3, 30_000],
])(
  "a body in %d parts of %d bytes holds no buffer that it was received in",
  async (parts, bytes) => {
    const body = await readBody({ request: requestOf(parts, bytes), signal });
    expect(body.toString()).toBe("x".repeat(parts * bytes));
    expect(body.buffer.byteLength).toBeLessThanOrEqual(Math.max(64, 2 * body.length));
  },
);

it("a body beyond the bound is refused, whatever its parts", async () => {
  const request = requestOf(1 + BODY_BYTES_MAX / 32_768, 32_768);
  await expect(readBody({ request, signal })).rejects.toThrow("limit is 3145728");
});
