import net from "node:net";
import type { Container, Probe } from "@raft2kube/api/gen/core/v1.ts";
import { Health, HealthCheckResponse_ServingStatus } from "@raft2kube/proto/gen/health.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { asRpcError, RpcError, Status } from "@raft2kube/rpc/error.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  PROBE_ANSWER_BYTES_MAX,
  PROBE_OUTPUT_BYTES_MAX,
  PROBE_TURN_MS,
  PROBE_TURN_TLS_MS,
} from "../limits.ts";
import { HandlerError, hostOf, httpTarget, portOf, requireShort } from "./handler-address.ts";
import { httpGet, probeTurns } from "./http-get.ts";

/** Outcome of one run of a probe. An `error` is not counted. */
export interface ProbeOutcome {
  result: "success" | "failure" | "error";
  /** The output is a warning about a success. */
  warns?: boolean;
  output: string;
}

export interface ProbeTarget {
  container: Container;
  containerId: string;
  podIP: string;
  runtime: Runtime;
  /** Waits until one more request of the probe may start, which takes a turn of this length. */
  turn(turn_ms: number): Promise<void>;
}

const USER_AGENT = "kube-probe/1.36";

/** Runs a probe once. Never rejects: a failure is an outcome. */
export async function runProbe(probe: Probe, target: ProbeTarget): Promise<ProbeOutcome> {
  const timeout_ms = (probe.timeoutSeconds ?? 1) * 1_000;
  try {
    if (probe.exec) return await execProbe(probe.exec.command ?? [], timeout_ms, target);
    if (probe.httpGet) return await httpProbe(probe, timeout_ms, target);
    if (probe.tcpSocket) return await tcpProbe(probe, timeout_ms, target);
    if (probe.grpc) return await grpcProbe(probe.grpc, timeout_ms, target);
    return { result: "error", output: "the probe has no handler" };
  } catch (thrown) {
    const result = thrown instanceof HandlerError ? "error" : "failure";
    return { result, output: messageOf(thrown) };
  }
}

async function execProbe(
  cmd: string[],
  timeout_ms: number,
  { container, runtime, containerId }: ProbeTarget,
): Promise<ProbeOutcome> {
  requireShort(cmd, container);
  try {
    const timeout = Math.ceil(timeout_ms / 1_000);
    const call = { timeout_ms: timeout_ms + EXEC_MARGIN_MS };
    const answer = await runtime.runtime.execSync({ containerId, cmd, timeout }, call);
    const bytes = Buffer.concat([answer.stdout, answer.stderr]);
    const output = bytes.subarray(0, PROBE_OUTPUT_BYTES_MAX).toString("utf8");
    return { result: answer.exitCode === 0 ? "success" : "failure", output };
  } catch (thrown) {
    if (thrown instanceof RpcError && thrown.status === Status.DEADLINE_EXCEEDED) {
      return { result: "failure", output: `command timed out: ${messageOf(thrown)}` };
    }
    return { result: "error", output: messageOf(thrown) };
  }
}

/** Time beyond the probe's timeout, which the runtime enforces: for a runtime that hangs. */
const EXEC_MARGIN_MS = 5_000;

async function httpProbe(
  probe: Probe,
  timeout_ms: number,
  { container, podIP, turn }: ProbeTarget,
): Promise<ProbeOutcome> {
  const first = httpTarget(probe.httpGet!, container, podIP);
  const options = { timeout_ms, userAgent: USER_AGENT };
  let target = first;
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    if (hop > 0) await turn(target.scheme === "https" ? PROBE_TURN_TLS_MS : PROBE_TURN_MS);
    const { status, location, body } = await httpGet(target, options);
    if (status < 200 || status >= 400) {
      return { result: "failure", output: `HTTP probe failed with statuscode: ${status}` };
    }
    if (status < 300) return { result: "success", output: body };
    // A redirect that is not followed counts as success, as upstream.
    const output = `Probe terminated redirects, Response body: ${body}`;
    const ended: ProbeOutcome = { result: "success", warns: true, output };
    if (!location || !FOLLOWED.has(status)) return ended;
    const { scheme, host, port, path } = target;
    const next = new URL(location, `${scheme}://${host}:${port}${path}`);
    if (next.hostname !== host) return ended;
    const secure = next.protocol === "https:";
    target = {
      ...target,
      scheme: secure ? "https" : "http",
      port: Number(next.port) || (secure ? 443 : 80),
      path: next.pathname + next.search,
    };
  }
  return { result: "failure", output: `stopped after ${REDIRECTS_MAX} redirects` };
}

const REDIRECTS_MAX = 10;
const FOLLOWED = new Set([301, 302, 303, 307, 308]);

async function tcpProbe(
  probe: Probe,
  timeout_ms: number,
  { container, podIP }: ProbeTarget,
): Promise<ProbeOutcome> {
  const host = hostOf(probe.tcpSocket!.host, podIP);
  const port = portOf(probe.tcpSocket!.port, container);
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: timeout_ms });
    const end = (result: ProbeOutcome["result"], output: string) => {
      socket.destroy();
      resolve({ result, output });
    };
    socket.once("connect", () => end("success", ""));
    socket.once("timeout", () => end("failure", `dial tcp ${host}:${port}: i/o timeout`));
    socket.on("error", (error) => end("failure", `dial tcp ${host}:${port}: ${error.message}`));
  });
}

async function grpcProbe(
  { port, service = "" }: NonNullable<Probe["grpc"]>,
  timeout_ms: number,
  { container, podIP }: ProbeTarget,
): Promise<ProbeOutcome> {
  requireShort([service], container);
  const address = hostOf(undefined, podIP);
  const host = address.includes(":") ? `[${address}]` : address;
  const channel = connectGrpc(`http://${host}:${port}`, {
    messageBytes_max: PROBE_ANSWER_BYTES_MAX,
    turns: probeTurns,
  });
  try {
    const { status } = await client(channel, Health).check({ service }, { timeout_ms });
    const { SERVING } = HealthCheckResponse_ServingStatus;
    if (status === SERVING) return { result: "success", output: "" };
    return { result: "failure", output: `service unhealthy (responded with ${status})` };
  } catch (thrown) {
    const { status, message } = asRpcError(thrown);
    if (status === Status.UNIMPLEMENTED) {
      const output = "error: this server does not implement the grpc health protocol";
      return { result: "failure", output: `${output} (grpc.health.v1.Health): ${message}` };
    }
    return { result: "failure", output: `error: health rpc failed: ${message}` };
  } finally {
    channel.close();
  }
}
