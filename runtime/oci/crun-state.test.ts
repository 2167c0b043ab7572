import { execFileSync } from "node:child_process";
import { constants, existsSync } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { OciRuntime } from "./runtime.ts";

/** A container in crun's state, with a program in crun's place that fails whenever it is started. */
async function container(): Promise<{ oci: OciRuntime; state: string; fifo: string }> {
  const root = testFolder("r2k-crun-state-");
  const state = join(root, "one");
  await mkdir(state);
  const fifo = join(state, "exec.fifo");
  execFileSync("mkfifo", [fifo]);
  return { oci: new OciRuntime({ path: "/bin/false", kind: "crun" }, root), state, fifo };
}

test("a process that waits is started without the program", async () => {
  const { oci, fifo } = await container();
  await using reader = await open(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  await oci.start("one");
  expect((await reader.read(Buffer.alloc(1))).bytesRead).toBe(1);
  expect(existsSync(fifo)).toBe(false);
});

test("where none waits the program is asked", async () => {
  const { oci, fifo } = await container();
  await expect(oci.start("one")).rejects.toThrow("crun start one: exit code 1");
  expect(existsSync(fifo)).toBe(true);
  await expect(oci.start("unknown")).rejects.toThrow("crun start unknown: exit code 1");
});

test("a container whose process has ended is removed without the program", async () => {
  const { oci, state } = await container();
  const pid = Number(execFileSync("sh", ["-c", "echo $$"], { encoding: "utf8" }));
  await writeFile(join(state, "status"), JSON.stringify({ pid }));
  await oci.delete("one", { force: true });
  expect(existsSync(state)).toBe(false);
});

test("the program removes a container whose process lives", async () => {
  const { oci, state } = await container();
  await writeFile(join(state, "status"), JSON.stringify({ pid: process.pid }));
  await oci.delete("one", { force: true });
  expect(existsSync(state)).toBe(true);
});
