import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { afterAll, describe, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { bytes } from "./fixture.ts";

const STRACE = "/usr/bin/strace";
const ROOT = join(import.meta.dirname, "../../..");
const folder = suiteFolder("r2k-strace-");
const socket = join(folder, "client.sock");
let tracer: ChildProcess | undefined;

afterAll(() => {
  // Its whole group: strace that is killed leaves what it traced behind.
  if (tracer?.pid !== undefined) process.kill(-tracer.pid, "SIGKILL");
});

/** The store under strace: what it writes, what it syncs, in the kernel's order. */
function startTraced(trace: string): ChildProcess {
  const calls = "trace=pwrite64,fdatasync,write,writev,sendto,sendmsg,openat";
  // A slow disk: what does not wait for it would be answered long before.
  const slow = "inject=fdatasync,pwrite64:delay_enter=100000";
  const strace = ["-f", "-q", "-s", "200", "-e", calls, "-e", slow, "-o", trace, "--"];
  const store = [join(ROOT, "cli/main.ts"), "store", "--data-dir", join(folder, "data")];
  const listen = ["--listen-client-urls", `unix://${socket}`];
  return spawn(STRACE, [...strace, process.execPath, ...store, ...listen], {
    stdio: "ignore",
    detached: true,
  });
}

/**
 * The line on which what was written on line `from` is durable: its own end, when the file was
 * opened so that writes are; -1 when it is not.
 */
function durable(lines: string[], from: number, fd: string | undefined): number {
  const opened = lines.slice(0, from).findLast((line) => line.endsWith(` = ${fd}`));
  if (opened?.includes("O_DSYNC")) return endOf(lines, from, "pwrite64");
  const begun = lines.findIndex((line, i) => i > from && line.includes(`fdatasync(${fd}`));
  return begun < 0 ? begun : endOf(lines, begun, "fdatasync");
}

/** The line on which a call has ended well. */
function endOf(lines: string[], begun: number, call: string): number {
  if (/ = [0-9]+( \(DELAYED\))?$/.test(lines[begun]!)) return begun;
  const thread = lines[begun]!.split(" ")[0]!;
  return lines.findIndex((line, i) => {
    return i > begun && line.startsWith(`${thread} `) && line.includes(`${call} resumed`);
  });
}

describe.runIf(existsSync(STRACE))("S1", () => {
  test("no write is answered before it is durable in the log", async () => {
    const trace = join(folder, "trace");
    tracer = startTraced(trace);
    const client = connectEtcd({ endpoints: [`unix://${socket}`] });
    await waitFor("the store", () => client.status({ timeout_ms: 2_000 }));
    const marks = ["mark-one", "mark-two", "mark-three"];
    for (const mark of marks) {
      // The response contains the value, which identifies it in the trace.
      const put = { requestPut: { key: bytes("k"), value: bytes(mark) } };
      await client.txn({ success: [put, { requestRange: { key: bytes("k") } }] });
    }
    await client.close();
    const lines = readFileSync(trace, "latin1").split("\n");
    for (const mark of marks) {
      const written = lines.findIndex((line) => /pwrite64/.test(line) && line.includes(mark));
      const fd = /pwrite64\(([0-9]+)/.exec(lines[written] ?? "")?.[1];
      const synced = durable(lines, written, fd);
      const answered = lines.findIndex(
        (line, i) =>
          i > written &&
          /write|send/.test(line) &&
          !line.includes("pwrite64") &&
          line.includes(mark),
      );
      expect(written, `${mark} in the log`).toBeGreaterThan(0);
      expect(synced, `${mark} synced`).toBeGreaterThanOrEqual(written);
      expect(answered, `${mark} answered`).toBeGreaterThan(synced);
    }
  });
});
