import { expect, test } from "vitest";
import { CallHeads } from "./call-head.ts";
import { KNOWN_HEADS_MAX } from "./limits.ts";

const heads = () => new CallHeads("http", "store", "etcdserverpb.KV/Range");
const trace = (id: number, isShared: boolean) => ({
  traceparent: `00-${String(id).padStart(32, "0")}-00f067aa0ba902b7-00`,
  isShared,
});

test("calls that are not sampled have one head, which the connection compresses", () => {
  const made = heads();
  const first = made.head(undefined, undefined, trace(1, true));
  expect(first.constant).toBe(true);
  expect(first.fields.at(-1)).toEqual(["traceparent", trace(1, true).traceparent]);
  expect(made.head(undefined, undefined, trace(1, true))).toBe(first);
  expect(made.head(5_000, undefined, trace(1, true))).not.toBe(first);
  expect(made.head(undefined, undefined)).not.toBe(first);
});

test("a head of one trace, or with metadata, is made for its call alone", () => {
  const made = heads();
  for (let id = 0; id < 2 * KNOWN_HEADS_MAX; id++) {
    expect(made.head(undefined, undefined, trace(id, false)).constant).toBe(false);
    expect(made.head(undefined, { token: "t" }, trace(1, true)).constant).toBe(false);
  }
  expect(made.head(undefined, undefined, trace(1, true)).constant).toBe(true);
});
