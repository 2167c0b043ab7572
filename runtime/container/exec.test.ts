import { once } from "node:events";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { OciRuntime } from "../oci/runtime.ts";
import { runtimePaths } from "../paths.ts";
import { startExec } from "./exec.ts";
import { ExecCounts } from "./exec-counts.ts";
import { startTerminalExec } from "./exec-terminal.ts";

/** A runtime with a container `c`, whose OCI runtime is a script. */
function runtimeOver(script: string) {
  const dir = testFolder("r2k-exec-");
  const paths = runtimePaths(dir, dir);
  const { run, config } = paths.container("c");
  mkdirSync(run, { recursive: true });
  const process = { user: { uid: 0, gid: 0 }, env: [], cwd: "/" };
  writeFileSync(config, JSON.stringify({ process }));
  const program = path.join(dir, "crun");
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const oci = new OciRuntime({ path: program, kind: "crun" }, dir);
  const runtime = {
    paths,
    clock: systemClock(),
    containers: { get: () => ({ sandboxId: "s", phase: { state: "running" } }) },
    sandboxes: { find: () => undefined },
    oci: { of: () => oci },
    execs: new ExecCounts(),
  };
  return { run, runtime: runtime as unknown as Parameters<typeof startExec>[0] };
}

test("a process that has the pid of a command that ended is not killed for it", async () => {
  const other = spawnProgram("sleep", ["1000"]);
  const { runtime } = runtimeOver(
    `while [ "$1" != --pid-file ]; do shift; done; echo ${other.pid} > "$2"`,
  );
  const exec = await startExec(runtime, "c", { cmd: ["true"], tty: false, stdio: "ignore" });
  expect(await exec.exited).toBe(0);
  await exec.kill();
  other.kill("SIGTERM");
  expect(await once(other, "exit")).toEqual([null, "SIGTERM"]);
});

test("a command that gets no terminal leaves no file", async () => {
  const { runtime, run } = runtimeOver("exit 1");
  const started = startTerminalExec(runtime, "c", ["true"]);
  await expect(started).rejects.toThrow("before it had a terminal");
  expect(readdirSync(run)).toEqual(["config.json"]);
});
