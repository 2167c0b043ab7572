import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { observePod } from "../cri/observe.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { type LogOptions, readLog } from "../logs/read-log.ts";
import { nameOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import { containersNamed, type FoundPod, findPod } from "./pod-lookup.ts";
import { flag } from "./request-target.ts";

const log = logger("kubelet-logs");

export interface LogsContext {
  workers: PodWorkers;
  runtime: Runtime;
  clock: Clock;
  paths: PodPaths;
}

/** GET /containerLogs/NAMESPACE/POD/CONTAINER. Throws HttpError before anything is sent. */
export async function serveContainerLogs(
  { workers, runtime, clock, paths: { podLogsDir } }: LogsContext,
  [namespace = "", podName = "", container = ""]: string[],
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const options = logOptions(query, clock.now());
  const found = await findPod(workers, runtime, namespace, podName);
  const wanted = instanceOf(found, container, flag(query, "previous"));
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  request.once("aborted", () => gone.abort());
  const mayWrite = async () => {
    const pod = { uid: found.worker.uid, name: podName, namespace };
    const { containers } = await observePod(runtime, pod);
    return containers.some(({ id, state }) => id === wanted.id && state !== "exited");
  };
  const source = { podLogsDir, path: wanted.logPath, clock, signal: gone.signal, mayWrite };
  response.writeHead(200, { "content-type": "text/plain", "x-content-type-options": "nosniff" });
  response.flushHeaders();
  try {
    await pipeline(Readable.from(readLog(source, options), { objectMode: false }), response);
  } catch (thrown) {
    // The response's head is sent: only the connection can be closed.
    if (!gone.signal.aborted) log.warn("a log broke off", { error: messageOf(thrown) });
    response.destroy();
  }
}

function instanceOf(found: FoundPod, container: string, previous: boolean): ObservedContainer {
  const pod = nameOf(found.worker.pod);
  const [newest, before] = containersNamed(found, container);
  if (previous) {
    if (before) return before;
    const message = `previous terminated container "${container}" in pod "${pod}" not found`;
    throw new HttpError(400, message);
  }
  if (newest && newest.state !== "created") return newest;
  const statuses = [
    ...(found.worker.status?.containerStatuses ?? []),
    ...(found.worker.status?.initContainerStatuses ?? []),
  ];
  const waiting = statuses.find(({ name }) => name === container)?.state?.waiting;
  const reason = waiting?.reason ?? "ContainerCreating";
  const why = TRYING.includes(reason) ? "trying and failing to pull image" : reason;
  const message = `container "${container}" in pod "${pod}" is waiting to start: ${why}`;
  throw new HttpError(400, message);
}

const TRYING = ["ErrImagePull", "ImagePullBackOff"];

function logOptions(query: URLSearchParams, now_ms: number): LogOptions {
  const sinceSeconds = number(query, "sinceSeconds");
  const sinceTime = query.get("sinceTime");
  const stream = query.get("stream");
  return {
    follow: flag(query, "follow"),
    timestamps: flag(query, "timestamps"),
    since_ms: sinceTime
      ? Date.parse(sinceTime)
      : sinceSeconds === undefined
        ? undefined
        : now_ms - sinceSeconds * 1_000,
    tailLines: number(query, "tailLines"),
    limitBytes: number(query, "limitBytes"),
    stream: stream === "Stdout" ? "stdout" : stream === "Stderr" ? "stderr" : undefined,
  };
}

function number(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^[0-9]+$/.test(text)) throw new HttpError(400, `${name} is not a whole number: ${text}`);
  return Number(text);
}
