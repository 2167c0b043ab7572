import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { PassThrough } from "node:stream";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { SpdyConnection } from "@raft2kube/streaming/spdy/connection.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { ExecCounts } from "../container/exec-counts.ts";
import { OciRuntime } from "../oci/runtime.ts";
import { runtimePaths } from "../paths.ts";
import { startPlain } from "./client-exec.ts";
import { execHandler } from "./exec.ts";
import { StreamingServer } from "./server.ts";

const clock = systemClock();

/** A runtime with a container `c`, and a script in place of its OCI runtime. */
function runtimeOf(dir: string, script: string) {
  const paths = runtimePaths(dir, dir);
  const { run, config } = paths.container("c");
  mkdirSync(run, { recursive: true });
  writeFileSync(config, JSON.stringify({ process: { user: { uid: 0, gid: 0 }, env: [] } }));
  const program = path.join(dir, "crun");
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const oci = new OciRuntime({ path: program, kind: "crun" }, dir);
  return {
    paths,
    clock,
    log: logger("test"),
    turns: new KeyedTurns(),
    containers: { get: () => ({ sandboxId: "s", phase: { state: "running" } }) },
    sandboxes: { find: () => undefined },
    oci: { of: () => oci },
    execs: new ExecCounts(),
  } as unknown as Parameters<typeof execHandler>[0];
}

/** Serves an exec; returns its output to the client. */
async function execOf(dir: string, script: string) {
  const runtime = runtimeOf(dir, script);
  const streaming = new StreamingServer(clock, () => undefined);
  await streaming.open();
  onTestFinished(() => streaming.close());
  const streams = { stdin: false, stdout: true, stderr: false, tty: false };
  const streamed = { sandboxId: "s", namespace: "team" };
  const handler = execHandler(runtime, "c", ["true"], streams);
  const url = new URL(streaming.offer("exec", streamed, handler));
  const socket = connect(Number(url.port), "127.0.0.1");
  const upgrade =
    "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n";
  socket.write(`POST ${url.pathname} HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
  await once(socket, "data");
  const client = new SpdyConnection(socket, { role: "client", onStream: () => undefined });
  await client.open({ streamtype: "error" });
  return { client, stdout: await client.open({ streamtype: "stdout" }) };
}

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";

test("the output of what a command left behind is not read once its client has gone", async () => {
  const dir = testFolder("r2k-exec-");
  const { client, stdout } = await execOf(
    dir,
    `(while echo output; do sleep 0.05; done) & echo $! > ${dir}/left`,
  );
  await once(stdout, "data");
  const file = path.join(dir, "left");
  const written = () => existsSync(file) && Number(readFileSync(file, "utf8")) > 1;
  await waitFor("its pid", written);
  const pid = Number(readFileSync(file, "utf8"));
  onTestFinished(() => {
    if (isAlive(pid)) process.kill(pid, "SIGKILL");
  });
  client.destroy();
  // Its next write fails.
  await waitFor("its end", () => !isAlive(pid));
});

test("what the OCI runtime says of a command that cannot be run is read to its end", async () => {
  const dir = testFolder("r2k-exec-");
  const failure = JSON.stringify({ level: "error", msg: "no such file" });
  // After `--log`; its words come when it has ended.
  const script = `while [ "$1" != --log ]; do shift; done; echo '${failure}' > $2; (sleep 0.1; echo no such file >&2) & exit 1`;
  const stderr = new PassThrough();
  const client = { stdin: undefined, stdout: undefined, stderr, onResize: () => undefined };
  const gone = new AbortController().signal;
  const { code } = await startPlain(
    runtimeOf(dir, script),
    "c",
    { cmd: ["x"] },
    { ...client, gone },
  );
  await expect(code).rejects.toThrow("no such file");
  expect(String(stderr.read())).toBe("no such file\n");
});
