import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, lstatSync, openSync, rmSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { splitDeviceNumber } from "../file/special-file.ts";
import { unlinkedUsage } from "./unlinked-files.ts";

const BYTES = 2 ** 20;
let directory: string;
let devices: Set<string>;
let child: ChildProcess | undefined;

beforeEach(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), "r2k-unlinked-"));
  const { major, minor } = splitDeviceNumber(lstatSync(directory).dev);
  devices = new Set([`${major}:${minor}`]);
});
afterEach(async () => {
  if (child?.kill("SIGKILL")) await once(child, "exit");
  await rm(directory, { recursive: true });
});

test("a file counts once from its removal until its last descriptor is closed", async () => {
  const file = path.join(directory, "a");
  const fds = [openSync(file, "w"), openSync(file, "r")];
  writeSync(fds[0]!, Buffer.alloc(BYTES, 1));
  expect(await unlinkedUsage([process.pid], devices)).toEqual({ used_bytes: 0, inodes: 0 });
  rmSync(file);
  const kept = await unlinkedUsage([process.pid, process.pid], devices);
  expect(kept).toMatchObject({ inodes: 1 });
  expect(kept.used_bytes).toBeGreaterThanOrEqual(BYTES);
  expect(await unlinkedUsage([process.pid], new Set(["0:0"]))).toMatchObject({ inodes: 0 });
  for (const fd of fds) closeSync(fd);
  expect(await unlinkedUsage([process.pid], devices)).toEqual({ used_bytes: 0, inodes: 0 });
});

test("a file that is only mapped counts, and a process that has ended has none", async () => {
  const program = path.join(directory, "program");
  copyFileSync("/bin/sleep", program);
  child = spawn(program, ["1000"]);
  await once(child, "spawn");
  rmSync(program);
  expect(await unlinkedUsage([child.pid!], devices)).toMatchObject({ inodes: 1 });
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await unlinkedUsage([child.pid!], devices)).toMatchObject({ inodes: 0 });
});
