// In a process of its own: it counts the removed files that the process has open.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { type Measured, unlinkedUsage } from "./unlinked-files.ts";

const BYTES = 2 ** 20;
let directory: string;
let child: ChildProcess | undefined;
const all: Measured = {
  isOwn: () => true,
  devices: new Set(),
  looks_max: Infinity,
  mayHaveServer: false,
};
const none: Measured = { ...all, isOwn: () => false };

beforeEach(async () => {
  directory = testFolder("r2k-unlinked-");
});
afterEach(async () => {
  if (child?.kill("SIGKILL")) await once(child, "exit");
});

test("a file counts once from its removal until its last descriptor is closed", async () => {
  const file = path.join(directory, "a");
  const fds = [openSync(file, "w"), openSync(file, "r")];
  writeSync(fds[0]!, Buffer.alloc(BYTES, 1));
  expect(await unlinkedUsage([process.pid], all)).toEqual({ used_bytes: 0, inodes: 0 });
  rmSync(file);
  const kept = await unlinkedUsage([process.pid, process.pid], all);
  expect(kept).toMatchObject({ inodes: 1 });
  expect(kept?.used_bytes).toBeGreaterThanOrEqual(BYTES);
  expect(await unlinkedUsage([process.pid], none)).toMatchObject({ inodes: 0 });
  for (const fd of fds) closeSync(fd);
  expect(await unlinkedUsage([process.pid], all)).toEqual({ used_bytes: 0, inodes: 0 });
});

test("a file whose name says that it was removed does not count", async () => {
  const fd = openSync(path.join(directory, "a (deleted)"), "w");
  writeSync(fd, Buffer.alloc(BYTES, 1));
  expect(await unlinkedUsage([process.pid], all)).toEqual({ used_bytes: 0, inodes: 0 });
  closeSync(fd);
});

test.each([
  ["by this process", false],
  ["by another", true],
])("looked at %s, a file that is only mapped counts once", async (_what, mayHaveServer) => {
  const own = { ...all, mayHaveServer };
  const program = path.join(directory, "program");
  copyFileSync("/bin/sleep", program);
  child = spawn(program, ["1000"]);
  await once(child, "spawn");
  rmSync(program);
  const others = { ...none, mayHaveServer };
  expect(await unlinkedUsage([child.pid!], others)).toMatchObject({ inodes: 0 });
  const kept = await unlinkedUsage([child.pid!, child.pid!], own);
  expect(kept).toMatchObject({ inodes: 1 });
  expect(kept?.used_bytes).toBeGreaterThan(1_000);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await unlinkedUsage([child.pid!], own)).toMatchObject({ inodes: 0 });
});

test.each([
  ["4,096 bytes of one file", 1, "f = open('a', 'wb+'); f.truncate(4096); os.remove('a')"],
  ["of memory", 0, "f = os.fdopen(os.memfd_create('m'), 'wb+'); f.truncate(4096)"],
])(
  "looked at by another process, 2,500 mappings %s count once, or not",
  async (_what, inodes, file) => {
    const script = `import mmap, os, sys; ${file}
maps = [mmap.mmap(f.fileno(), 4096) for _ in range(2500)]; f.close(); print(); sys.stdin.read()`;
    child = spawn("python3", ["-c", script], { cwd: directory });
    await once(child.stdout!, "data");
    const own = { ...all, mayHaveServer: true };
    expect(await unlinkedUsage([child.pid!], own)).toMatchObject({ inodes });
    expect(await unlinkedUsage([child.pid!], { ...own, looks_max: 2_000 })).toBeUndefined();
  },
);

test("a descriptor on a mount that none of the processes sees is not looked at", async () => {
  const script = 'exec 3> "$0"; rm "$0"; exec unshare --mount sh -c "echo; exec sleep 1000"';
  child = spawn("sh", ["-c", script, path.join(directory, "a")]);
  await once(child.stdout!, "data");
  expect(await unlinkedUsage([child.pid!], all)).toMatchObject({ inodes: 0 });
  // Processes of several containers: one of them sees the mount.
  expect(await unlinkedUsage([child.pid!, process.pid], all)).toMatchObject({ inodes: 1 });
});

test("descriptors, mappings and the mounts that a process sees are looks", async () => {
  child = spawn("unshare", ["--mount", "sh", "-ec", "echo; read line"]);
  await once(child.stdout!, "data");
  const proc = `/proc/${child.pid}`;
  const lines = (file: string) => readFileSync(`${proc}/${file}`, "utf8").split("\n").length - 1;
  const looks_max = lines("mountinfo") + lines("maps") + readdirSync(`${proc}/fd`).length;
  expect(await unlinkedUsage([child.pid!], { ...all, looks_max })).toBeDefined();
  expect(await unlinkedUsage([child.pid!], { ...all, looks_max: looks_max - 1 })).toBeUndefined();
});
