import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { waitFor } from "../testing/wait.ts";
import { createUnderConmon } from "./conmon.ts";
import { OciRuntime } from "./oci/runtime.ts";
import { runtimePaths } from "./paths.ts";

const clock = systemClock();
let dir: string;
beforeEach(() => (dir = testFolder("r2k-conmon-")));

/** A conmon that leaves a process in a session of its own, which reports nothing. */
const SILENT = `#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in --conmon-pidfile) file=$2;; --cid) id=$2;; esac
  shift
done
setsid sh -c 'echo $$ > '$file'; sleep 1000; exit' $id &
`;

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";

test("an OCI runtime that hangs is killed after the timeout", async () => {
  const program = path.join(dir, "conmon");
  writeFileSync(program, SILENT, { mode: 0o755 });
  const id = "of-the-test";
  const paths = runtimePaths(dir, dir).container(id);
  spawnSync("mkdir", ["-p", paths.run]);
  const oci = new OciRuntime({ path: "/bin/false", kind: "crun" }, dir);
  const request = {
    id,
    paths,
    exitsDirectory: dir,
    logPath: undefined,
    terminal: false,
    stdin: false,
    leaveStdinOpen: false,
  };
  let left_ms = 0;
  const patient = {
    ...clock,
    // The time is over when it has started to wait.
    after: (delay_ms: number, fn: () => void) => {
      left_ms = delay_ms;
      void waitFor("it to have begun", () => existsSync(paths.conmonPidFile)).then(fn);
      return { cancel: () => undefined };
    },
  };
  await expect(createUnderConmon(program, oci, request, { clock: patient })).rejects.toMatchObject({
    code: "deadline-exceeded",
  });
  expect(left_ms).toBeGreaterThan(0);
  const pid = Number(readFileSync(paths.conmonPidFile, "utf8"));
  await waitFor("the process to be gone", () => !isAlive(pid));
});
