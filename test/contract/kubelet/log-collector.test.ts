import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../../testing/killed.ts";
import { waitFor } from "../../../testing/wait.ts";
import { ours } from "../cri/ours.ts";
import { Node } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

const COLLECTOR = new URL("../../../.peers/bin/collector", import.meta.url).pathname;
const LINES = 36_000;
const WIDTH = 900;
const clock = systemClock();

/** Configures the collector as its chart for Kubernetes does, for the links in place of files. */
const config = (dir: string) => `
receivers:
  file_log:
    include: [${dir}/container-logs/*.log]
    start_at: beginning
    include_file_name: true
    poll_interval: 100ms
    operators: [{type: container, add_metadata_from_filepath: false}]
exporters: {file: {path: ${dir}/collected.json}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {logs: {receivers: [file_log], exporters: [file]}}
`;

describe.runIf(existsSync(COLLECTOR))("OpenTelemetry's collector", () => {
  let node: Node;
  let collector: ChildProcess;
  let said = "";
  beforeAll(async () => {
    node = await Node.start(ours("crun"));
    const file = join(node.host.dir, "collector.yaml");
    writeFileSync(file, config(node.host.dir));
    collector = spawn(COLLECTOR, ["--config", `file:${file}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    collector.stderr!.on("data", (text) => (said += text));
  });
  afterAll(async () => {
    if (collector.exitCode === null) {
      await killed(collector, "SIGTERM");
    }
    await node.close();
  });

  /** The numbers of all lines that the collector has exported, in its order. */
  function collected(): number[] {
    const file = join(node.host.dir, "collected.json");
    if (!existsSync(file)) return [];
    return [...readFileSync(file, "utf8").matchAll(/"stringValue":"line-(\d+)-/g)].map(
      ([, number]) => Number(number),
    );
  }

  it("reads a log by its link through rotations, each line once", async () => {
    const print =
      `awk 'BEGIN { p = sprintf("%${WIDTH}s", ""); ` +
      // No spaces: the collector trims each part of a line that the runtime has split.
      `gsub(/ /, "x", p); for (i = 1; i <= ${LINES}; i++) { print "line-" i "-" p; ` +
      // Slower than the kubelet's checks of its size.
      `if (i % ${LINES / 6} == 0) { fflush(); system("sleep 1.5") } } }'`;
    node.put("writer", spec([sh("main", `${print}; ${SLEEP}`)]));
    const pod = await node.untilReady("writer");
    const logs = join(node.host.dir, "pod-logs", `default_writer-node_${pod.metadata.uid}`, "main");
    const all = () => collector.exitCode !== null || collected().length >= LINES;
    const limits = { clock, timeout_ms: 40_000, interval_ms: 1_000 };
    await waitFor("all lines", all, limits).catch((cause: unknown) => {
      const files = readdirSync(logs).map((name) => `${name} ${statSync(join(logs, name)).size}`);
      throw new Error(`${collected().length} lines of ${files.join(", ")}`, { cause });
    });
    expect(collector.exitCode, said).toBe(null);
    expect(readdirSync(logs).length, "files, by rotation").toBeGreaterThan(2);
    const numbers = collected();
    expect(new Set(numbers).size, "different lines").toBe(LINES);
    expect(numbers.length, "lines").toBe(LINES);
    const [link = ""] = readdirSync(join(node.host.dir, "container-logs"));
    expect(link).toMatch(/^writer-node_default_main-[0-9a-f]{64}\.log$/);
    await node.take("writer");
    expect(readdirSync(join(node.host.dir, "container-logs"))).toEqual([]);
  });
});
