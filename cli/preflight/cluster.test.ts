import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ClusterConfig } from "../cluster/config.ts";
import { startTimeOf } from "../host/process-table.ts";
import { runChecks } from "./check.ts";
import { clusterChecks } from "./cluster.ts";

it("names a cluster's process that has ended, and nothing where none was started", async () => {
  const runDir = mkdtempSync(join(tmpdir(), "r2k-doctor-"));
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
  rmSync(runDir, { recursive: true });
});
