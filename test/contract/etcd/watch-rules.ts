import { WatchCreateRequest_FilterType as Filter } from "@raft2kube/proto/gen/etcd.ts";
import { afterEach, expect, test } from "vitest";
import { bytes, endOf, freshPrefix, shorthand } from "./fixture.ts";
import type { Implementation, Running } from "./implementations.ts";
import { describeEvent, Watching } from "./watch-fixture.ts";

/** Watch.Watch (S5). */
export function watchRules(running: () => Running, implementation: Implementation): void {
  eventRules(running);
  historyRules(running);
  streamRules(running);
  loadRules(running, implementation);
}

const range = (prefix: string) => ({ key: bytes(prefix), rangeEnd: endOf(prefix) });

/** Opens streams, and closes them after each test. */
function watches(running: () => Running) {
  const client = () => running().client;
  const open: Watching[] = [];
  afterEach(async () => {
    for (const stream of open.splice(0)) await stream.close();
  });
  const watching = () => {
    const stream = new Watching(client());
    open.push(stream);
    return stream;
  };
  return { client, use: () => shorthand(client()), watching };
}

function eventRules(running: () => Running): void {
  const { client, use, watching } = watches(running);

  test("events come in order, each revision once, with the revision in the header", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    const id = await stream.create(range(prefix));
    await use().put(`${prefix}a`, "1");
    await use().put(`${prefix}a`, "2");
    const revision = (await use().remove(`${prefix}a`)).header!.revision;
    await use().put(freshPrefix(), "other");
    const events = await stream.events(3);
    expect(events.map(describeEvent)).toEqual(["PUT a=1", "PUT a=2", "DELETE a"]);
    expect(events.map(({ kv }) => kv!.modRevision)).toEqual([revision - 2, revision - 1, revision]);
    await use().put(`${prefix}b`, "x");
    const last = await stream.next();
    expect(last).toMatchObject({ watchId: id, created: false, canceled: false });
    expect(last.header!.revision).toBeGreaterThanOrEqual(last.events[0]!.kv!.modRevision);
  });

  test("a transaction's events arrive together", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    await stream.create(range(prefix));
    const put = (name: string) => ({
      requestPut: { key: bytes(prefix + name), value: bytes("v") },
    });
    await client().txn({ success: [put("a"), put("b"), put("c")] });
    const response = await stream.next();
    expect(response.events.map(describeEvent)).toEqual(["PUT a=v", "PUT b=v", "PUT c=v"]);
  });
}

function historyRules(running: () => Running): void {
  const { client, use, watching } = watches(running);

  test("a watch from the past gets what happened since, then what happens", async () => {
    const prefix = freshPrefix();
    const first = (await use().put(`${prefix}a`, "1")).header!.revision;
    await use().put(`${prefix}b`, "2");
    await use().remove(`${prefix}a`);
    const stream = watching();
    await stream.create({ ...range(prefix), startRevision: first });
    expect((await stream.events(3)).map(describeEvent)).toEqual(["PUT a=1", "PUT b=2", "DELETE a"]);
    await use().put(`${prefix}c`, "3");
    expect((await stream.events(1)).map(describeEvent)).toEqual(["PUT c=3"]);
  });

  test("a watch from the future begins there", async () => {
    const prefix = freshPrefix();
    const now = await use().revision();
    const stream = watching();
    await stream.create({ ...range(prefix), startRevision: now + 3 });
    for (const value of ["1", "2", "3"]) await use().put(`${prefix}k`, value);
    expect((await stream.events(1)).map(describeEvent)).toEqual(["PUT k=3"]);
  });

  test("prev_kv gives the record before each change", async () => {
    const prefix = freshPrefix();
    await use().put(`${prefix}k`, "0");
    const stream = watching();
    await stream.create({ ...range(prefix), prevKv: true });
    await use().put(`${prefix}k`, "1");
    await use().remove(`${prefix}k`);
    await use().put(`${prefix}k`, "2");
    const events = await stream.events(3);
    expect(events.map(({ prevKv }) => prevKv?.value.toString())).toEqual(["0", "1", undefined]);
  });

  test("filters leave out puts or deletions", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    const noPut = await stream.create({ ...range(prefix), filters: [Filter.NOPUT] });
    await use().put(`${prefix}k`, "1");
    await use().remove(`${prefix}k`);
    const response = await stream.next();
    expect(response.watchId).toBe(noPut);
    expect(response.events.map(describeEvent)).toEqual(["DELETE k"]);
  });

  test("a start that is compacted away cancels the watch and says where to go on", async () => {
    const prefix = freshPrefix();
    const first = (await use().put(`${prefix}k`, "1")).header!.revision;
    await use().put(`${prefix}k`, "2");
    await use().put(`${prefix}k`, "3");
    await client().compact({ revision: first + 2, physical: true });
    const stream = watching();
    const id = await stream.create({ ...range(prefix), startRevision: first });
    const response = await stream.next();
    expect(response).toMatchObject({ watchId: id, canceled: true, compactRevision: first + 2 });
    const again = watching();
    await again.create({ ...range(prefix), startRevision: first + 2 });
    expect((await again.events(1)).map(describeEvent)).toEqual(["PUT k=3"]);
  });
}

function streamRules(running: () => Running): void {
  const { use, watching } = watches(running);

  test("a watch that is cancelled says so and gets nothing more", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    const gone = await stream.create(range(prefix));
    const kept = await stream.create(range(prefix));
    stream.stream.cancel(gone);
    expect(await stream.next()).toMatchObject({ watchId: gone, canceled: true });
    await use().put(`${prefix}k`, "1");
    expect(await stream.next()).toMatchObject({ watchId: kept });
  });

  test("the client may choose ids; one taken twice is refused", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    expect(await stream.create({ ...range(prefix), watchId: 77n })).toBe(77n);
    stream.stream.create({ ...range(prefix), watchId: 77n });
    const refused = await stream.next();
    expect(refused).toMatchObject({ watchId: -1n, created: true, canceled: true });
    expect(refused.cancelReason).toBe("mvcc: duplicate watch ID provided on the WatchStream");
  });

  test("an empty range is refused", async () => {
    const stream = watching();
    stream.stream.create({ key: bytes("b"), rangeEnd: bytes("a") });
    expect(await stream.next()).toMatchObject({ watchId: -1n, created: true, canceled: true });
  });
}

function loadRules(running: () => Running, implementation: Implementation): void {
  const { use, watching } = watches(running);

  const testSafe = test.runIf(implementation.progressIsSafe);
  testSafe("progress comes after all events before it", async () => {
    const prefix = freshPrefix();
    const first = (await use().put(`${prefix}k`, "0")).header!.revision;
    for (let i = 1; i < 50; i++) await use().put(`${prefix}k`, `${i}`);
    const stream = watching();
    stream.stream.create({ ...range(prefix), startRevision: first });
    stream.stream.requestProgress();
    let seen = 0;
    for (;;) {
      const response = await stream.next();
      seen += response.events.length;
      // etcd forgets a wish that came while the watch still caught up; others answer it then.
      if (response.events.length > 0) stream.stream.requestProgress();
      if (response.watchId !== -1n) continue;
      expect(seen).toBe(50);
      expect(response.header!.revision).toBe(await use().revision());
      return;
    }
  });

  test("many watches of the same and of single keys get their events", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    for (let i = 0; i < 20; i++) await stream.create(range(prefix));
    await stream.create({ key: bytes(`${prefix}k`) });
    await stream.create({ key: bytes(`${prefix}other`) });
    await use().put(`${prefix}k`, "1");
    const ids = new Set<bigint>();
    while (ids.size < 21) ids.add((await stream.next()).watchId);
    expect(ids.size).toBe(21);
  });

  test("a reader that falls far behind still gets everything, in order", async () => {
    const prefix = freshPrefix();
    const stream = watching();
    await stream.create(range(prefix));
    const value = "x".repeat(2_000);
    const count = 3_000;
    await Promise.all(Array.from({ length: count }, () => use().put(`${prefix}k`, value)));
    const events = await stream.events(count);
    const versions = events.map(({ kv }) => kv!.version);
    expect(versions).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  });
}
