import { join } from "node:path";
import { expect, it } from "vitest";
import { runWithUsed } from "../../testing/retained.ts";
import { HISTORIES_BYTES_MAX, HISTORY_BYTES_MAX } from "../limits.ts";

const HERE = JSON.stringify(`${import.meta.dirname}/`);
const CLOCK = JSON.stringify(join(import.meta.dirname, "../../base/std/clock.ts"));
const MIB = 1024 * 1024;

/** Prints what the heap and its buffers take after `churn`, beside what they took before. */
function retainedBy(churn: string): number {
  const program = `
    import { systemClock } from ${CLOCK};
    const { WatchCache } = await import(${HERE} + "watch-cache.ts");
    const { entryOf } = await import(${HERE} + "entry-of-row.ts");
    const { RecentWrites } = await import(${HERE} + "../storage/recent-writes.ts");
    const { encodeRow } = await import(${HERE} + "../storage/body.ts");
    const { EVERYTHING } = await import(${HERE} + "selection.ts");
    const { inWords } = await import(${HERE} + "../../testing/apiserver/watch-words.ts");
    const kind = {
      group: "", version: "v1", kind: "ConfigMap", selectableFields: {},
      storage: { as: { group: "", version: "v1", kind: "ConfigMap" } },
    };
    const object = (name, revision, bytes) => ({
      kind: "ConfigMap", apiVersion: "v1",
      metadata: { name, namespace: "ns", uid: name, resourceVersion: String(revision) },
      data: { fill: "x".repeat(bytes) },
    });
    /** Requests, answers, frames: what lives for one turn between what is kept. */
    const shortLived = () => { for (let i = 0; i < 60; i++) Buffer.from("y".repeat(1_000)); };
    const put = (cache, name, revision, bytes) => {
      const whole = object(name, revision, bytes);
      const entry = entryOf(kind, whole, "/registry/c/ns/" + name, revision);
      cache.apply({ type: "put", revision, entry });
      shortLived();
    };
    const before = await used();
    const kept = [];
    ${churn}
    console.log(await used() - before, kept.length);
  `;
  return Number(runWithUsed(program)[0]);
}

const CACHE = "const cache = new WatchCache(systemClock()); kept.push(cache); cache.reset([], 1);";

it("a history of small objects retains the bytes that it counts", () => {
  const churn = "for (let i = 0; i < 5_000; i++) put(cache, `n${i % 50}`, 2 + i, 1_000);";
  const retained = retainedBy(`${CACHE} ${churn}`);
  expect(retained).toBeGreaterThan(5 * MIB);
  expect(retained).toBeLessThan(HISTORY_BYTES_MAX);
});

it("past states and events of large objects stay within the history's bytes", () => {
  const churn = "for (let i = 0; i < 400; i++) put(cache, 'big', 2 + i, 512 * 1024);";
  expect(retainedBy(`${CACHE} ${churn}`)).toBeLessThan(1.25 * HISTORY_BYTES_MAX);
});

it("deletions count what they carry", () => {
  const churn = `for (let i = 0; i < 400; i += 2) {
    put(cache, "big", 2 + i, 512 * 1024);
    cache.apply({ type: "delete", revision: 3 + i, key: "/registry/c/ns/big" });
  }`;
  expect(retainedBy(`${CACHE} ${churn}`)).toBeLessThan(1.25 * HISTORY_BYTES_MAX);
});

it("the histories of many kinds share a bound", () => {
  const churn = `for (let k = 0; k < 12; k++) {
    const cache = new WatchCache(systemClock());
    kept.push(cache);
    cache.reset([], 1);
    for (let i = 0; i < 40; i++) put(cache, "big", 2 + i, 512 * 1024);
  }`;
  expect(retainedBy(churn)).toBeLessThan(1.25 * HISTORIES_BYTES_MAX);
});

it("what was written last is remembered within a bound of bytes, and alone", () => {
  const churn = `const recent = new RecentWrites(kind); kept.push(recent);
  for (let i = 0; i < 1_000; i++) {
    const written = object("n" + i, 2 + i, i < 500 ? 512 * 1024 : 1_000);
    recent.note("/registry/c/ns/n" + i, encodeRow(kind, written), written);
    shortLived();
  }`;
  expect(retainedBy(churn)).toBeLessThan(8 * MIB);
});

it("what was written last of many kinds shares a bound", () => {
  const churn = `for (let k = 0; k < 30; k++) {
    const recent = new RecentWrites(kind);
    kept.push(recent);
    for (let i = 0; i < 500; i++) {
      const written = object("n" + i, 2 + i, 2_000);
      recent.note("/registry/c/ns/n" + i, encodeRow(kind, written), written);
    }
  }`;
  expect(retainedBy(churn)).toBeLessThan(8 * MIB);
});

it("what was parsed of an object is let go when another takes its place", () => {
  const churn = `
    const parsed = (name, revision) => {
      const pairs = Array.from({ length: 2_000 }, (_, i) => ["key" + i, "v" + i]);
      const data = Object.fromEntries(pairs);
      const whole = { ...object(name, revision, 0), data };
      const entry = entryOf(kind, whole, "/registry/c/ns/" + name, revision);
      cache.apply({ type: "put", revision, entry });
      entry.shared();
    };
    for (let i = 0; i < 300; i++) parsed("n", 2 + i);
  `;
  expect(retainedBy(`${CACHE} ${churn}`)).toBeLessThan(1.25 * HISTORY_BYTES_MAX);
});

it("events that wait for a slow reader are kept alone", () => {
  const churn = `
    const request = { selection: EVERYTHING, bookmarks: false, encoder: inWords };
    const watcher = cache.watchFrom(request, 1);
    kept.push(watcher);
    for (let i = 0; i < 300; i++) {
      const { waiting } = watcher;
      put(cache, "n", 2 + i, 100);
      while (watcher.waiting === waiting) await new Promise((resolve) => setImmediate(resolve));
    }
  `;
  expect(retainedBy(`${CACHE} ${churn}`)).toBeLessThan(8 * MIB);
});
