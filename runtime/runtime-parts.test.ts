import { writeFileSync } from "node:fs";
import path from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { EventHub, type RuntimeEvent } from "./events.ts";
import { EVENT_BACKLOG } from "./limits.ts";
import { RecordTable } from "./record-table.ts";
import { readState } from "./state-file.ts";

let dir: string;
beforeEach(() => (dir = testFolder("r2k-records-")));

describe("records", () => {
  const kind = { schema: "test", version: 1 };
  const table = () =>
    new RecordTable<{ id: string; n: number }>("thing", kind, (id) => path.join(dir, id, "r.json"));

  test("are found again by the next table", async () => {
    const first = table();
    await first.load(dir);
    await first.put({ id: "a", n: 1 });
    await first.put({ id: "a", n: 2 });
    const second = table();
    await second.load(dir);
    expect(second.get("a")).toEqual({ id: "a", n: 2 });
    await second.remove("a");
    expect(() => second.get("a")).toThrow(/thing "a" not found/);
    const third = table();
    await third.load(dir);
    expect(third.values()).toEqual([]);
  });

  test("of another version or damaged are refused", async () => {
    const file = path.join(dir, "x.json");
    writeFileSync(file, JSON.stringify({ schema: "test", version: 2, state: {} }));
    expect(() => readState(file, kind)).toThrow(/version 2/);
    writeFileSync(file, '{"schema":"te');
    expect(() => readState(file, kind)).toThrow(/damaged/);
    expect(readState(path.join(dir, "none"), kind)).toBeUndefined();
  });
});

test("a reader that falls behind loses the oldest events only", async () => {
  const hub = new EventHub();
  const stop = new AbortController();
  const stream = hub.read(stop.signal);
  const first = stream.next();
  hub.containerEvent("created", "first", "s");
  await first;
  for (let i = 0; i <= EVENT_BACKLOG; i++) hub.containerEvent("started", String(i), "s");
  const next = (await stream.next()).value as RuntimeEvent;
  expect(next.id).toBe("1");
  stop.abort();
});
