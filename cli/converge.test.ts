import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { convergeOrUndo } from "./converge.ts";
import { startTimeOf } from "./observe/process-table.ts";
import { type ClusterConfig, configPath, planCluster, writeCluster } from "./spec/config.ts";
import { planJoiningNode } from "./spec/nodes.ts";

let dir: string;
let config: ClusterConfig;

beforeEach(async () => {
  dir = testFolder("r2k-converge-");
  const roots = { data: join(dir, "data"), run: join(dir, "run") };
  // Its first step fails where the folder of plugins is a file.
  config = { ...(await planCluster("one", roots, {}, [])), cniBinDir: "/" };
  mkdirSync(config.runDir, { recursive: true });
  mkdirSync(join(config.dataDir, "cluster.json"), { recursive: true });
});

const ENDS = ["a failed step", "Ctrl-C"];

test.each(ENDS)("%s of a start leaves a cluster that ran before", async (by) => {
  const control = spawn("sleep", ["1000"], { stdio: "ignore" });
  const interrupt = new AbortController();
  if (by === "Ctrl-C") interrupt.abort();
  try {
    const pid = control.pid!;
    writeFileSync(join(config.runDir, "control.pid"), `${pid} ${startTimeOf(pid)}\n`);
    const clock = systemClock();
    const notes: string[] = [];
    const progress = {
      step: <T>(_: string, work: () => Promise<T>) => work(),
      note: (line: string) => void notes.push(line),
    };
    const starting = convergeOrUndo(
      { wanted: "started", cluster: config, nodes: [], demo: false },
      { clock, progress, signal: interrupt.signal },
    );
    if (by === "Ctrl-C") {
      const error = { code: "INTERRUPTED", message: "interrupted; what runs stays", exitCode: 130 };
      await expect(starting).rejects.toMatchObject(error);
    } else {
      await expect(starting).rejects.toMatchObject({ code: "EISDIR" });
      expect(notes).toEqual(["  what runs stays: r2k status --name one"]);
    }
    expect(startTimeOf(pid)).toBeDefined();
    expect(existsSync(config.runDir)).toBe(true);
  } finally {
    control.kill("SIGKILL");
  }
});

test("a failed undoing is noted beside the error that led to it", async () => {
  rmSync(configPath(config.dataDir), { recursive: true });
  const notes: string[] = [];
  const progress = {
    step: <T>(title: string): Promise<T> => Promise.reject(new Error(`no ${title}`)),
    note: (line: string) => void notes.push(line),
  };
  const { signal } = new AbortController();
  const starting = convergeOrUndo(
    { wanted: "started", cluster: config, nodes: [], demo: false },
    { clock: systemClock(), progress, signal },
  );
  await expect(starting).rejects.toThrow("no certificates and plugins");
  expect(notes).toContain("  undoing this start failed: no undoing this start");
});

test("an addition that fails before it made anything has nothing to undo", async () => {
  rmSync(configPath(config.dataDir), { recursive: true });
  await writeCluster(config);
  const titles: string[] = [];
  const progress = {
    step: <T>(title: string, work: () => Promise<T>) => (titles.push(title), work()),
    note: (line: string) => expect.fail(line),
  };
  const nodes = [{ wanted: "started", node: planJoiningNode(config, "node-2", []) } as const];
  const { signal } = new AbortController();
  const adding = convergeOrUndo(
    { wanted: "kept", cluster: config, nodes },
    { clock: systemClock(), progress, signal },
  );
  // The cluster has no kubeconfig.
  await expect(adding).rejects.toMatchObject({ code: "BAD_KUBECONFIG" });
  expect(titles).toEqual(["nodes: node-2"]);
  expect(existsSync(configPath(config.dataDir))).toBe(true);
});
