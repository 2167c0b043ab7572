import { Status } from "@raft2kube/rpc/error.ts";
import { describe, expect, it } from "vitest";
import { Copies } from "./copies.ts";
import { requirePath, requireSmallMap, requireString } from "./fields.ts";
import { COPIES_MAX } from "./limits.ts";
import { pageOf } from "./paging.ts";
import { PendingOperations } from "./pending-operations.ts";

describe("pageOf", () => {
  const page = (items: string[], maxEntries: number, startingToken = "") =>
    pageOf(items, (item) => item, { maxEntries, startingToken });

  it("gives all pages in order, the last without a token", () => {
    const first = page(["a", "b", "c"], 2);
    expect(first.items).toEqual(["a", "b"]);
    expect(page(["a", "b", "c"], 2, first.nextToken)).toEqual({ items: ["c"], nextToken: "" });
    expect(page(["a", "b"], 2).nextToken).toBe("");
    expect(page(["a", "b"], 0)).toEqual({ items: ["a", "b"], nextToken: "" });
  });

  it("goes on where it was after the token's own entry is gone", () => {
    const { nextToken } = page(["a", "b", "c"], 2);
    expect(page(["a", "c", "d"], 2, nextToken).items).toEqual(["c", "d"]);
  });

  it.each(["x", "YWZ0ZXI", "!"])("refuses token %j, which it never gave", (token) => {
    const aborted = expect.objectContaining({ status: Status.ABORTED });
    expect(() => page(["a"], 1, token)).toThrow(aborted);
  });

  it("refuses a negative max_entries by the specification's name of the field", () => {
    expect(() => page(["a"], -1)).toThrow("max_entries is negative: -1");
  });
});

describe("fields", () => {
  const invalid = expect.objectContaining({ status: Status.INVALID_ARGUMENT });

  it("requirePath takes plain absolute paths alone", () => {
    expect(requirePath("p", "/a/b/")).toBe("/a/b");
    for (const bad of ["", "a", "/a/../b", "/a\0b", `/${"x".repeat(4095)}`]) {
      expect(() => requirePath("p", bad)).toThrow(invalid);
    }
  });

  it("requireString and requireSmallMap hold the spec's size limits, in bytes", () => {
    expect(requireString("s", "x".repeat(128))).toHaveLength(128);
    expect(() => requireString("s", "ü".repeat(65))).toThrow(invalid);
    expect(() => requireString("s", "")).toThrow(invalid);
    requireSmallMap("m", { k: "v".repeat(4095) });
    expect(() => requireSmallMap("m", { k: "v".repeat(4096) })).toThrow(invalid);
  });
});

describe("Copies", () => {
  const aborted = (whose: string) =>
    expect.objectContaining({
      status: Status.ABORTED,
      message: expect.stringContaining(`copies of ${whose} are`),
    });

  it("leave places to other namespaces, and end with those that all have", () => {
    const copies = new Copies();
    const first = copies.enter("a");
    copies.enter("a");
    expect(() => copies.enter("a")).toThrow(aborted("namespace a"));
    for (let taken = 2; taken < COPIES_MAX; taken++) copies.enter(`${taken}`);
    expect(() => copies.enter("b")).toThrow(aborted("all namespaces"));
    first[Symbol.dispose]();
    copies.enter("b");
  });
});

describe("PendingOperations", () => {
  it("refuses a second operation on a volume, and takes the next after the first", async () => {
    const pending = new PendingOperations();
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = pending.run(["a", "b"], () => promise);
    const second = pending.run(["b"], async () => {});
    await expect(second).rejects.toMatchObject({ status: Status.ABORTED });
    await pending.run(["c"], async () => {});
    resolve();
    await first;
    await pending.run(["b"], async () => {});
  });
});
