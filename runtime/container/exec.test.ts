import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { OciRuntime } from "../oci/runtime.ts";
import type { OciProcess } from "../oci/spec.ts";
import { runtimePaths } from "../paths.ts";
import { startExec } from "./exec.ts";
import { ExecCounts } from "./exec-counts.ts";
import { startTerminalExec } from "./exec-terminal.ts";

const clock = systemClock();

/** A runtime with a container `c`, whose OCI runtime is a script. */
function runtimeOver(script: string, env: string[] = []) {
  const dir = testFolder("r2k-exec-");
  const paths = runtimePaths(dir, dir);
  const { run, config } = paths.container("c");
  mkdirSync(run, { recursive: true });
  const process = { user: { uid: 0, gid: 0 }, args: ["program"], env, cwd: "/" };
  writeFileSync(config, JSON.stringify({ process }));
  const program = path.join(dir, "crun");
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const oci = new OciRuntime({ path: program, kind: "crun" }, dir);
  const runtime = {
    paths,
    clock,
    log: logger("test"),
    turns: new KeyedTurns(),
    containers: { get: () => ({ sandboxId: "s", phase: { state: "running" } }) },
    sandboxes: { find: () => undefined },
    oci: { of: () => oci },
    execs: new ExecCounts(),
  };
  return { run, config, runtime: runtime as unknown as Parameters<typeof startExec>[0] };
}

/** The files of commands in the container's folder. */
const filesIn = (run: string) => readdirSync(run).filter((name) => name.startsWith("exec-"));

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

test("a command is killed that the OCI runtime has made and not named yet", async () => {
  const { runtime } = runtimeOver(
    'while [ "$1" != --pid-file ]; do shift; done; sleep 1000 & echo $!; read line; echo $! > "$2"; wait',
  );
  const stdio: ["pipe", "pipe", "ignore"] = ["pipe", "pipe", "ignore"];
  const exec = await startExec(runtime, "c", { cmd: ["true"], tty: false, stdio });
  const [pid] = await once(exec.child.stdout!, "data");
  const killed = exec.kill();
  exec.child.stdin!.end("\n");
  await killed;
  await exec.exited;
  expect(existsSync(`/proc/${Number(pid)}`)).toBe(false);
});

test("a command that gets no terminal leaves no file", async () => {
  const { runtime, run } = runtimeOver("exit 1");
  const started = startTerminalExec(runtime, "c", { cmd: ["true"] });
  await expect(started).rejects.toThrow("before it had a terminal");
  expect(filesIn(run)).toEqual([]);
});

/** An OCI runtime that shows the process of a command: it copies its file. */
const SHOW = 'while [ "$1" != --process ]; do shift; done; cp "$2" "${0%/*}/shown"';

test.each<[what: string, env: string[], tty: boolean, expected: string[]]>([
  ["without a terminal", ["A=1"], false, ["A=1"]],
  ["with a terminal", ["A=1"], true, ["A=1", "TERM=xterm"]],
  ["with a terminal and no variables", [], true, ["TERM=xterm"]],
  ["with a terminal of the container's kind", ["TERM=vt100"], true, ["TERM=vt100"]],
])("a command %s has the container's process for the rest", async (_, env, tty, expected) => {
  const { runtime, run } = runtimeOver(SHOW, env);
  const shown = path.join(run, "../../shown");
  const request = { cmd: ["true"], tty, stdio: "ignore" as const };
  const size = tty ? { size: { width: 80, height: 24 } } : {};
  const exec = await startExec(runtime, "c", { ...request, ...size });
  await exec.exited;
  const rest = { user: { uid: 0, gid: 0 }, cwd: "/", args: ["true"], terminal: tty };
  const sized = tty ? { consoleSize: { width: 80, height: 24 } } : {};
  expect(JSON.parse(readFileSync(shown, "utf8"))).toEqual({ env: expected, ...rest, ...sized });
  const changed: Partial<OciProcess> = { env: ["B=2"], cwd: "/b" };
  await (await startExec(runtime, "c", { ...request, tty: false, process: changed })).exited;
  expect(JSON.parse(readFileSync(shown, "utf8"))).toEqual({ ...rest, ...changed, terminal: false });
});

test("a container's variables, megabytes that a tenant chose, are parsed for its first command alone", async () => {
  const { runtime, config } = runtimeOver(SHOW, ["A=1"]);
  const run = async () => {
    const exec = await startExec(runtime, "c", { cmd: ["true"], tty: false, stdio: "ignore" });
    return await exec.exited;
  };
  expect(await Promise.all([run(), run()])).toEqual([0, 0]);
  writeFileSync(config, "no JSON");
  expect(await run()).toBe(0);
});

test("the variables of a command that runs are no longer in its file", async () => {
  const { runtime, run } = runtimeOver(
    'while [ "$1" != --pid-file ]; do shift; done; echo $$ > "$2"; read line',
  );
  const stdio: ["pipe", "ignore", "ignore"] = ["pipe", "ignore", "ignore"];
  const exec = await startExec(runtime, "c", { cmd: ["true"], tty: false, stdio });
  await exec.started;
  const gone = () => !filesIn(run).some((name) => name.endsWith(".json"));
  await waitFor("the removal of its file", gone);
  expect(existsSync(`/proc/${exec.child.pid}`)).toBe(true);
  exec.child.stdin!.end("\n");
  await exec.exited;
});
