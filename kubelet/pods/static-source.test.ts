import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { STATIC_POD_SETTLE_MS } from "../limits.ts";
import { parsePodFile } from "./static-pod-file.ts";
import { StaticSource } from "./static-source.ts";

const HALF = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: first, image: i}
`;
const WHOLE = `${HALF}  - {name: second, image: i}\n`;

let dir: string;
let clock: ManualClock;
let source: StaticSource;
let reads: number;
/** The containers of each pod that was put. */
let put: (string | undefined)[][];

beforeEach(() => {
  dir = testFolder("r2k-static-");
  // The time of the file system, which the process's own may differ from.
  clock = new ManualClock(statSync(dir).mtimeMs);
  put = [];
  reads = 0;
  const sink = {
    put: ({ spec }: Pod) => void put.push(spec.containers.map(({ name }) => name)),
    remove: () => undefined,
  };
  source = new StaticSource({ dir, nodeName: "node", clock, sink });
});

afterEach(() => source.close());

/** Waits while the source's own time passes. */
async function passing(what: string, done: () => boolean): Promise<void> {
  const step = () => {
    clock.advance(STATIC_POD_SETTLE_MS / 2);
    return done();
  };
  await waitFor(what, step);
}

it("a file's numbers are those that Go reads", () => {
  const parsed = parsePodFile("{ mode: 0644, other: 0o644, at: 12:30 }", "web.yaml");
  expect(parsed).toEqual({ mode: 0o644, other: 0o644, at: "12:30" });
});

it("a file that is being written is read when it is whole", async () => {
  writeFileSync(join(dir, "web.yaml"), HALF);
  let synced = false;
  void source.synced.then(() => (synced = true));
  source.start(() => void reads++);
  await waitFor("a look at the file", () => reads > 0);
  expect([put, synced]).toEqual([[], false]);
  writeFileSync(join(dir, "web.yaml"), WHOLE);
  await passing("the pod", () => put.length > 0);
  expect(put).toEqual([["first", "second"]]);
  expect(source.list()).toHaveLength(1);
});

it("a file with an error is reported, and its last pod goes on", async () => {
  writeFileSync(join(dir, "web.yaml"), WHOLE);
  const reasons: string[] = [];
  source = new StaticSource({
    dir,
    nodeName: "node",
    clock,
    sink: { put: () => void put.push(["put"]), remove: () => void put.push(["removed"]) },
    unusable: (file, reason) => void reasons.push(`${file}: ${reason}`),
  });
  source.start(() => undefined);
  await passing("the pod", () => put.length > 0);
  writeFileSync(join(dir, "web.yaml"), `${WHOLE}broken: [\n`);
  await passing("the report", () => reasons.length > 0);
  expect(reasons[0]).toContain("web.yaml: ");
  expect(reasons[0]).not.toContain("broken");
  expect([put, source.list().length]).toEqual([[["put"]], 1]);
});

it("a file whose time lies in the future is read too", async () => {
  writeFileSync(join(dir, "web.yaml"), WHOLE);
  clock = new ManualClock(statSync(dir).mtimeMs - 3_600_000);
  source = new StaticSource({
    dir,
    nodeName: "node",
    clock,
    sink: { put: () => void put.push(["read"]), remove: () => undefined },
  });
  source.start(() => undefined);
  await passing("the pod", () => put.length > 0);
});

it("a changed file has another pod, though it names the UID", async () => {
  const text = WHOLE.replace("name: web", "name: web, uid: own");
  writeFileSync(join(dir, "web.yaml"), text);
  const seen: string[] = [];
  const sink = {
    put: ({ spec: { containers } }: Pod) => void seen.push(`put ${containers.length}`),
    remove: (uid: string) => void seen.push(`remove ${uid}`),
  };
  source = new StaticSource({ dir, nodeName: "node", clock, sink });
  source.start(() => undefined);
  await passing("the pod", () => seen.length > 0);
  writeFileSync(join(dir, "web.yaml"), `${text}  - {name: third, image: i}\n`);
  await passing("the changed pod", () => seen.length > 2);
  writeFileSync(join(dir, "other.yaml"), HALF.replace("name: web", "name: other"));
  await passing("the other file's pod", () => seen.length > 3);
  expect(seen).toEqual(["put 2", "remove own", "put 3", "put 1"]);
});
