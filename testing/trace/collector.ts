import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { freePort } from "../free-port.ts";
import { killed } from "../killed.ts";
import { waitFor } from "../wait.ts";
import { type JsonSpans, readSpans, type TraceReceiver } from "./received-span.ts";

/** OpenTelemetry's collector, which `npm run peers -- collector` builds. */
export const COLLECTOR = new URL("../../.peers/bin/collector", import.meta.url).pathname;

const START_TIMEOUT_MS = 30_000;

/** Starts the collector with a receiver of OTLP over gRPC, and an exporter to a file. */
export async function startCollector(): Promise<TraceReceiver> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-collector-"));
  const port = await freePort();
  const [config, file] = [join(dir, "config.yaml"), join(dir, "spans.json")];
  const endpoint = `127.0.0.1:${port}`;
  writeFileSync(
    config,
    `
receivers: {otlp: {protocols: {grpc: {endpoint: "${endpoint}"}}}}
exporters: {file: {path: ${file}, flush_interval: 100ms}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {traces: {receivers: [otlp], exporters: [file]}}
`,
  );
  const child = spawn(COLLECTOR, ["--config", `file:${config}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr.on("data", (text) => (output += text));
  const close = async () => {
    if (child.exitCode === null) {
      await killed(child, "SIGTERM");
    }
    rmSync(dir, { recursive: true });
  };
  try {
    const limits = { clock: systemClock(), timeout_ms: START_TIMEOUT_MS, interval_ms: 50 };
    await waitFor("the collector listens", () => isListening(port), limits);
  } catch (thrown) {
    await close();
    throw new Error(output, { cause: thrown });
  }
  const spans = () => {
    if (!existsSync(file)) return [];
    // A last line without its end is still being written.
    const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
    return lines.flatMap((line) => readSpans(JSON.parse(line) as JsonSpans));
  };
  return { endpoint, spans, close };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
