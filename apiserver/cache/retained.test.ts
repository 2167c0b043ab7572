import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { runWithUsed } from "../../testing/retained.ts";
import { HISTORIES_BYTES_MAX, HISTORY_BYTES_MAX } from "../limits.ts";

const HERE = JSON.stringify(`${import.meta.dirname}/`);
const CLOCK = JSON.stringify(join(import.meta.dirname, "../../base/std/clock.ts"));
const MIB = 1024 * 1024;

/**
 * Returns what a churn retains in the heap and its buffers. Each has a process of its own: what one
 * leaves is not always collected before the next.
 */
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
    await (async () => { ${churn} })();
    console.log(await used() - before);
    for (const each of kept) each.close();
  `;
  return Number(runWithUsed(program)[0]);
}

const CACHE = "const cache = new WatchCache(systemClock()); kept.push(cache); cache.reset([], 1);";

/** Churns of caches, and how much each keeps at least and at most. */
const RULES: readonly {
  readonly title: string;
  readonly churn: string;
  readonly bytes_min?: number;
  readonly bytes_max: number;
}[] = [
  {
    title: "a history of small objects retains the bytes that it counts",
    churn: `${CACHE} for (let i = 0; i < 5_000; i++) put(cache, "n" + (i % 50), 2 + i, 1_000);`,
    bytes_min: 5 * MIB,
    bytes_max: HISTORY_BYTES_MAX,
  },
  {
    title: "past states and events of large objects stay within the history's bytes",
    churn: `${CACHE} for (let i = 0; i < 100; i++) put(cache, "big", 2 + i, 512 * 1024);`,
    bytes_max: 1.25 * HISTORY_BYTES_MAX,
  },
  {
    title: "deletions count what they carry",
    churn: `${CACHE} for (let i = 0; i < 200; i += 2) {
      put(cache, "big", 2 + i, 512 * 1024);
      cache.apply({ type: "delete", revision: 3 + i, key: "/registry/c/ns/big" });
    }`,
    bytes_max: 1.25 * HISTORY_BYTES_MAX,
  },
  {
    title: "the histories of many kinds share a bound",
    churn: `for (let k = 0; k < 12; k++) {
      ${CACHE}
      for (let i = 0; i < 20; i++) put(cache, "big", 2 + i, 512 * 1024);
    }`,
    bytes_max: 1.25 * HISTORIES_BYTES_MAX,
  },
  {
    title: "what was written last is remembered within a bound of bytes, and alone",
    churn: `const recent = new RecentWrites(kind); kept.push(recent);
    for (let i = 0; i < 600; i++) {
      const written = object("n" + i, 2 + i, i < 100 ? 512 * 1024 : 1_000);
      recent.note("/registry/c/ns/n" + i, encodeRow(kind, written), written);
      shortLived();
    }`,
    bytes_max: 8 * MIB,
  },
  {
    title: "what was written last of many kinds shares a bound",
    churn: `for (let k = 0; k < 30; k++) {
      const recent = new RecentWrites(kind);
      kept.push(recent);
      for (let i = 0; i < 500; i++) {
        const written = object("n" + i, 2 + i, 2_000);
        recent.note("/registry/c/ns/n" + i, encodeRow(kind, written), written);
      }
    }`,
    bytes_max: 8 * MIB,
  },
  {
    title: "what was parsed of an object is let go when another takes its place",
    churn: `${CACHE}
    for (let i = 0; i < 300; i++) {
      const pairs = Array.from({ length: 2_000 }, (_, at) => ["key" + at, "v" + at]);
      const whole = { ...object("n", 2 + i, 0), data: Object.fromEntries(pairs) };
      const entry = entryOf(kind, whole, "/registry/c/ns/n", 2 + i);
      cache.apply({ type: "put", revision: 2 + i, entry });
      entry.shared();
    }`,
    bytes_max: 1.25 * HISTORY_BYTES_MAX,
  },
  {
    title: "events that wait for a slow reader are kept alone",
    churn: `${CACHE}
    const request = { selection: EVERYTHING, bookmarks: false, encoder: inWords };
    const watcher = cache.watchFrom(request, 1);
    cache.watcher = watcher;
    for (let i = 0; i < 300; i++) {
      const { waiting } = watcher;
      put(cache, "n", 2 + i, 100);
      while (watcher.waiting === waiting) await new Promise((resolve) => setImmediate(resolve));
    }`,
    bytes_max: 8 * MIB,
  },
];

const JUDGED = inTurn("what caches retain", RULES, 4);

let retained: number[] = [];
beforeAll(() => {
  retained = JUDGED.map(({ churn }) => retainedBy(churn));
});

it.each(JUDGED.map((rule, at) => ({ ...rule, at })))(
  "$title",
  ({ at, bytes_min = -MIB, bytes_max }) => {
    expect(retained[at]).toBeGreaterThan(bytes_min);
    expect(retained[at]).toBeLessThan(bytes_max);
  },
);
