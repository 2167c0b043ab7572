import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { lockForRemoval, lockNew, lockNodes } from "./nodes.ts";

test("one command at a time changes a cluster's nodes", async () => {
  const dataDir = testFolder("r2k-nodes-");
  const cluster = { name: "one", dataDir };
  const clock = systemClock();
  const first = await lockNodes(cluster, clock);
  await expect(lockNodes(cluster, clock, { wait_ms: 0 })).rejects.toMatchObject({ code: "BUSY" });
  const notes: string[] = [];
  const second = lockNodes(cluster, clock, { note: (line) => void notes.push(line) });
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  expect(notes).toEqual(['Waiting for another command that changes "one" ...']);
});

test("no lock is taken of a cluster that was removed", async () => {
  const removed = { name: "one", dataDir: join(tmpdir(), "r2k-nodes-removed/one") };
  const clock = systemClock();
  await expect(lockNodes(removed, clock)).rejects.toMatchObject({ code: "NO_CLUSTER" });
  const notes: string[] = [];
  const note = (line: string) => void notes.push(line);
  await expect(lockForRemoval(removed, clock, { note })).resolves.toBeUndefined();
  expect(notes).toEqual([]);
});

test("a removal goes on, with a note, if the lock cannot be had", async () => {
  const dataDir = testFolder("r2k-nodes-");
  await mkdir(join(dataDir, "nodes.lock"));
  const notes: string[] = [];
  const note = (line: string) => void notes.push(line);
  const locking = lockForRemoval({ name: "one", dataDir }, systemClock(), { note });
  await expect(locking).resolves.toBeUndefined();
  expect(notes).toEqual([expect.stringMatching(/"one" without the lock of its nodes: EISDIR/)]);
});

test.each([
  ["a removal interrupts the command with the lock and the next", "read line", 60_000, "SIGTERM"],
  ["one that does not end is killed", "trap '' TERM; read line", 0, "SIGKILL"],
  [
    "a removal of the data kills another one that hangs",
    "trap '' TERM; read line",
    0,
    "SIGKILL",
    { purge: true, words: ["down", "--purge"] },
  ],
])("%s", async (_, script, undo_ms, signal, { purge, words } = { purge: false, words: [] }) => {
  const dataDir = testFolder("r2k-nodes-");
  const clock = systemClock();
  const command = (text: string) => {
    const flock = ["--no-fork", join(dataDir, "nodes.lock"), "sh", "-c", text, ...words];
    const child = spawn("flock", flock, { stdio: ["pipe", "pipe", "inherit"] });
    return { child, ended: once(child, "exit") };
  };
  const holder = command(script.replace("read", "echo; read"));
  const children = [holder];
  try {
    await once(holder.child.stdout, "data");
    const next = command("read line");
    children.push(next);
    const waits = new RegExp(`-> FLOCK +ADVISORY +WRITE ${next.child.pid} `);
    const isWaiting = () => waits.test(readFileSync("/proc/locks", "utf8"));
    await waitFor("the next command to wait", isWaiting, { clock });
    const lock = await waitFor(
      "the next command to be interrupted",
      async () => {
        const options = { undo_ms, purge, note: (line: string) => expect.fail(line) };
        const taken = await lockForRemoval({ name: "one", dataDir }, clock, options);
        if (next.child.signalCode !== null) return taken;
        // A lock that becomes free is not handed over: this time the removal was first.
        taken?.[Symbol.dispose]();
        return undefined;
      },
      { clock },
    );
    expect(await holder.ended).toEqual([null, signal]);
    expect(await next.ended).toEqual([null, expect.stringMatching(/^SIG(TERM|KILL)$/)]);
    lock[Symbol.dispose]();
  } finally {
    for (const { child } of children) child.kill("SIGKILL");
  }
});

test("a new cluster's folder is locked before it has a configuration, and stays", async () => {
  const dir = testFolder("r2k-nodes-");
  const cluster = { name: "one", dataDir: join(dir, "data/one") };
  const clock = systemClock();
  using _first = await lockNew(cluster, clock);
  await expect(lockNew(cluster, clock, { wait_ms: 0 })).rejects.toMatchObject({ code: "BUSY" });
  expect(readdirSync(cluster.dataDir)).toEqual(["nodes.lock"]);
});
