import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import type { Runtime } from "../cri/runtime.ts";
import { LOG_ROTATE_PERIOD_MS } from "../limits.ts";
import type { PodWorker } from "../sync/worker.ts";
import { LogRotation } from "./rotate-logs.ts";

const FULL_BYTES = 1_000;

let dir: string;
let clock: ManualClock;
let rotation: LogRotation;
/** The runtime's reopen requests, and whether they succeed. */
let reopened: string[];
let refuses: boolean;
/** Containers whose conmon does not answer. */
let silent: Set<string>;
beforeEach(() => {
  dir = testFolder("r2k-rotate-");
  clock = new ManualClock(Date.UTC(2026, 0, 2));
  reopened = [];
  refuses = false;
  silent = new Set();
  for (const name of ["a", "b"]) {
    mkdirSync(join(dir, `n_${name}_u`, "c"), { recursive: true });
    writeFileSync(logOf(name), "");
  }
  const reopenContainerLog = async ({ containerId }: { containerId: string }) => {
    if (refuses) throw new Error("no such container");
    reopened.push(containerId);
    if (silent.has(containerId)) await new Promise(() => undefined);
    writeFileSync(logOf(containerId), "");
  };
  rotation = new LogRotation({
    runtime: { runtime: { reopenContainerLog } } as unknown as Runtime,
    workers: { list: () => ["a", "b"].map(workerOf) },
    paths: { rootDir: dir, podLogsDir: dir, containerLogsDir: undefined },
    clock,
    fileBytes_max: FULL_BYTES,
    files_max: 3,
  });
});

const logOf = (name: string) => join(dir, `n_${name}_u`, "c/0.log");
const filesOf = (name: string) => readdirSync(join(dir, `n_${name}_u`, "c")).sort();
const write = (name: string, bytes: number) => appendFileSync(logOf(name), "x".repeat(bytes));

function workerOf(name: string): PodWorker {
  const running = { startedAt: "2026-01-01T00:00:00Z" };
  const containerID = `r2k://${name}`;
  const container = { name: "c", restartCount: 0, containerID, state: { running } };
  return {
    pod: { metadata: { name, namespace: "n", uid: "u" }, spec: { containers: [] } },
    status: { containerStatuses: [container] },
  } as unknown as PodWorker;
}

async function check(after_ms: number): Promise<number> {
  clock.advance(after_ms);
  return rotation.run();
}

test("a log is set aside when it is full, and the oldest go", async () => {
  await check(0);
  expect(filesOf("a")).toEqual(["0.log"]);
  for (let count = 0; count < 4; count++) {
    write("a", FULL_BYTES);
    await check(10);
  }
  expect(reopened).toEqual(["a", "a", "a", "a"]);
  expect(filesOf("a")).toEqual(["0.log", "0.log.20260102-000000.030", "0.log.20260102-000000.040"]);
  expect(filesOf("b")).toEqual(["0.log"]);
});

test("the oldest go after the clock was set back, too", async () => {
  let now_ms = clock.now();
  vi.spyOn(clock, "now").mockImplementation(() => now_ms);
  for (const step_ms of [0, 1, -3_600_000, 0]) {
    now_ms += step_ms;
    write("a", FULL_BYTES);
    await check(0);
  }
  expect(filesOf("a")).toEqual(["0.log", "0.log.20260102-000000.002", "0.log.20260102-000000.003"]);
});

test("one that grows fast is looked at again when it will be full", async () => {
  expect(await check(1_000)).toBe(1_000);
  write("a", 400);
  // 400 bytes in a second: the other 600 take one and a half.
  expect(await check(1_000)).toBe(1_000);
  write("a", 300);
  expect(await check(250)).toBe(250);
  write("a", 300);
  expect(await check(1)).toBe(50);
  expect(await check(1_000)).toBe(1_000);
});

test("one that cannot be rotated keeps its name, and does not hold up the others", async () => {
  refuses = true;
  write("a", FULL_BYTES);
  await check(0);
  expect(readFileSync(logOf("a"))).toHaveLength(FULL_BYTES);
  refuses = false;
  renameSync(join(dir, "n_a_u"), join(dir, "elsewhere"));
  symlinkSync(join(dir, "elsewhere"), join(dir, "n_a_u"));
  write("b", FULL_BYTES);
  await check(1);
  expect(reopened).toEqual(["b"]);
  expect(filesOf("b")).toHaveLength(2);
  expect(readdirSync(join(dir, "elsewhere/c"))).toEqual(["0.log"]);
});

test("one whose client reads nothing, so that its conmon is silent, holds up no others", async () => {
  silent.add("a");
  for (const name of ["a", "b"]) write(name, FULL_BYTES);
  const first = rotation.run();
  await vi.waitFor(() => expect(reopened).toEqual(["a", "b"]));
  clock.advance(LOG_ROTATE_PERIOD_MS);
  await first;
  write("b", FULL_BYTES);
  await vi.waitFor(async () => {
    await check(1);
    expect(reopened).toEqual(["a", "b", "b"]);
  });
});

test("one that a kubelet left set aside is opened again under its name", async () => {
  renameSync(logOf("a"), `${logOf("a")}.20260101-000000.000`);
  await check(0);
  expect(reopened).toEqual(["a"]);
  expect(filesOf("a")).toEqual(["0.log", "0.log.20260101-000000.000"]);
});
