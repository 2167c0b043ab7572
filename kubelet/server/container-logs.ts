import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { NestedShares } from "@raft2kube/std/shares.ts";
import { observeContainer } from "../cri/observe.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  LOGS_READ_MAX,
  LOGS_READ_OF_NAMESPACE_MAX,
  LOGS_READ_OF_POD_MAX,
  LOGS_READ_RESERVED,
} from "../limits.ts";
import { type LogOptions, readLog } from "../logs/read-log.ts";
import { nameOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodWorker } from "../sync/worker.ts";
import { containersNamed, findPod } from "./pod-lookup.ts";
import { flag } from "./request-target.ts";

const log = logger("kubelet-logs");

export type LogsContext = { workers: PodWorkers; runtime: Runtime; clock: Clock; paths: PodPaths };

/** Counts the logs that are being read, of a pod and of its namespace. */
export function logShares(): NestedShares {
  return new NestedShares({
    all: LOGS_READ_MAX,
    reserved: LOGS_READ_RESERVED,
    eachGroup: LOGS_READ_OF_NAMESPACE_MAX,
    each: LOGS_READ_OF_POD_MAX,
  });
}

/** Takes a pod's part of the logs that may be read. Throws HttpError 429 when there is none. */
function takePart(shares: NestedShares, namespace: string, pod: string): Disposable {
  const rights = namespace === "kube-system" ? { may: "reserve" as const } : {};
  const taken = shares.take(
    { name: `${namespace}/${pod}`, ...rights },
    { name: namespace, ...rights },
  );
  if (typeof taken === "function") return { [Symbol.dispose]: taken };
  const owners = { all: "this node", group: `namespace ${namespace}`, owner: `pod ${pod}` };
  const message = `as many logs of ${owners[taken]} are being read as may: end some of them first`;
  throw new HttpError(429, message);
}

/**
 * GET /containerLogs/NAMESPACE/POD/CONTAINER. Throws HttpError before anything is sent: 429 while
 * too many logs are read.
 */
export async function serveContainerLogs(
  { workers, runtime, clock, paths: { podLogsDir } }: LogsContext,
  shares: NestedShares,
  [namespace = "", podName = "", container = ""]: string[],
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const options = logOptions(query, clock.now());
  const worker = findPod(workers, namespace, podName);
  // The client may have gone before this.
  if (response.destroyed) return;
  using _ = takePart(shares, namespace, podName);
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  request.once("aborted", () => gone.abort());
  const instances = await containersNamed(runtime, worker, container);
  const wanted = instanceOf(worker, container, instances, flag(query, "previous"));
  const mayWrite = async () => {
    const now = await observeContainer(runtime, wanted.id);
    return now !== undefined && now.state !== "exited";
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

/**
 * Returns the instance of a container whose log is asked for. As in upstream, the pod's status
 * decides which is the previous one: it is that of `lastState`, so that while a container waits to
 * be restarted it is the newest. Otherwise the newest instance that has started. `instances` are
 * newest first. Throws HttpError 400 if there is none.
 */
export function instanceOf(
  { pod, status }: Pick<PodWorker, "pod" | "status">,
  container: string,
  instances: readonly ObservedContainer[],
  previous: boolean,
): ObservedContainer {
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []),
    ...(status?.ephemeralContainerStatuses ?? []),
  ];
  const { state, lastState } = statuses.find(({ name }) => name === container) ?? {};
  const which = `container "${container}" in pod "${nameOf(pod)}"`;
  if (previous) {
    const ended = lastState?.terminated?.containerID?.split("://")[1];
    const found = instances.find(({ id }) => id === ended);
    if (found) return found;
    throw new HttpError(400, `previous terminated ${which} not found`);
  }
  const started = instances.find((one) => one.state !== "created");
  if (started) return started;
  const reason = state?.waiting?.reason ?? "ContainerCreating";
  const why = TRYING.includes(reason) ? "trying and failing to pull image" : reason;
  throw new HttpError(400, `${which} is waiting to start: ${why}`);
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
