import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { MS_PER_DAY } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { ensurePki } from "../pki/pki.ts";
import { type ClusterConfig, planCluster } from "../spec/config.ts";
import { certificateChecks } from "./certificates.ts";
import { runChecks } from "./check.ts";
import { clusterChecks } from "./cluster.ts";

it("names a cluster's process that has ended, and nothing where none was started", async () => {
  const runDir = testFolder("r2k-doctor-");
  const config = { name: "half", runDir } as ClusterConfig;
  expect(clusterChecks(config)).toEqual([]);
  writeFileSync(join(runDir, "control.pid"), `${process.pid} ${startTimeOf(process.pid)}\n`);
  writeFileSync(join(runDir, "node.pid"), `${process.pid} 1\n`); // another process with that id
  const context = { dataDir: runDir, runDir, apiPort: undefined, ranges: [] };
  const [control, node] = await runChecks(clusterChecks(config), context);
  expect(control?.finding).toEqual({ state: "ok", detail: `runs, pid ${process.pid}` });
  expect(node).toMatchObject({
    name: 'node process of "half"',
    finding: { state: "failed", detail: "has ended", remedy: expect.stringContaining("r2k start") },
  });
});

it("reports the end of each certificate, with a remedy", async () => {
  const dir = testFolder("r2k-doctor-");
  const config = await planCluster("old", { data: dir, run: dir }, {}, []);
  expect(await certificateChecks(config, 0)).toEqual([]);
  const start_ms = Date.UTC(2030, 0, 1);
  await ensurePki(config, start_ms);
  const context = { dataDir: dir, runDir: dir, apiPort: undefined, ranges: [] };
  const after = async (days: number) => {
    const checks = await certificateChecks(config, start_ms + days * MS_PER_DAY);
    const results = await runChecks(checks, context);
    return new Map(results.map(({ name, finding }) => [name, finding]));
  };
  const [ca, admin] = ['certificate pki/ca.crt of "old"', 'certificate admin.conf of "old"'];
  const fresh = await after(0);
  expect(fresh.size).toBe(11);
  expect(fresh.get(ca!)).toEqual({
    state: "ok",
    detail: "ends on 2039-12-30T00:00:00.000Z, in 3650 days",
  });
  const remedy = expect.stringContaining("r2k down --name old && r2k start --name old") as string;
  expect((await after(340)).get(admin!)).toEqual({
    state: "warning",
    detail: "ends on 2031-01-01T00:00:00.000Z, in 25 days",
    remedy,
  });
  expect((await after(400)).get(admin!)).toEqual({
    state: "failed",
    detail: "expired on 2031-01-01T00:00:00.000Z",
    remedy,
  });
  expect((await after(400)).get(ca!)?.state).toBe("ok");
  expect((await after(-1)).get(ca!)).toMatchObject({ remedy: "set this machine's clock" });
});
