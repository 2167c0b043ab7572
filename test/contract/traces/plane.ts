import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Span, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { startTracing, type TracingConfig } from "@raft2kube/rpc/otlp/tracing.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startStore } from "@raft2kube/store/main.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import type { ReceivedSpan, TraceReceiver } from "../../../testing/trace/received-span.ts";
import { waitFor } from "../../../testing/wait.ts";

const CONFIGMAPS = "/api/v1/namespaces/default/configmaps";
/** Traces that callers ask for alone, as upstream's configurations without a rate. */
export const ASKED: TracingConfig = {};
/** Exports are five seconds apart. */
const SPANS_TIMEOUT_MS = 30_000;

/** Control planes whose parts send their traces to one receiver. */
export class TracedPlanes {
  readonly #receiver: TraceReceiver;
  readonly #closers: (() => Promise<void> | void)[] = [];

  constructor(receiver: TraceReceiver) {
    this.#receiver = receiver;
  }

  /** All spans that the receiver has. */
  spans(): readonly ReceivedSpan[] {
    return this.#receiver.spans();
  }

  tracer(name: string, config: TracingConfig): Tracer {
    const tracer = startTracing({ name }, { ...config, endpoint: this.#receiver.endpoint });
    this.#closers.push(() => tracer.close());
    return tracer;
  }

  /** Starts a store and an API server. */
  async start(config: TracingConfig, embedded = false): Promise<TestApiserver> {
    const dir = mkdtempSync(join(tmpdir(), "r2k-traces-"));
    this.#closers.push(() => rmSync(dir, { recursive: true }));
    const tracers = { store: this.tracer("etcd", ASKED), api: this.tracer("apiserver", config) };
    const listenClient = { host: "127.0.0.1", port: 0 };
    const store = await startStore({ dataDir: dir, listenClient, tracer: tracers.store });
    this.#closers.push(() => store.close());
    const etcd = embedded ? store.client : connectEtcd({ endpoints: store.endpoints });
    this.#closers.push(() => etcd.close());
    const apiserver = await startTestApiserver(etcd, { tracer: tracers.api });
    this.#closers.push(() => apiserver.close());
    return apiserver;
  }

  /** Waits for a span, and for `count` of its trace. */
  async traceOf(find: (span: ReceivedSpan) => boolean, count = 1): Promise<ReceivedSpan[]> {
    let trace: ReceivedSpan[] = [];
    const limits = { clock: systemClock(), timeout_ms: SPANS_TIMEOUT_MS, interval_ms: 100 };
    await waitFor(
      `${count} spans`,
      () => {
        const all = this.#receiver.spans();
        const found = all.find(find);
        trace = all.filter(({ traceId }) => traceId === found?.traceId);
        return trace.length >= count;
      },
      limits,
    );
    return trace;
  }

  /** Ends the control planes; their last spans are sent. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }
}

/** Creates a ConfigMap as a user of `groups`, if allowed to; as a part of `caller`, if given. */
export async function create(
  apiserver: TestApiserver,
  name: string,
  groups: readonly string[],
  caller?: Span,
): Promise<void> {
  const { ca, server } = apiserver;
  const credentials = await apiserver.credentials("tester", groups);
  const client = new KubeClient({ server, ca: ca.cert, ...credentials });
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name } };
  const send = async () => {
    type Created = { metadata: { resourceVersion: string } };
    const written = await client.request<Created>({ method: "POST", path: CONFIGMAPS, body });
    const { resourceVersion } = written.metadata;
    // A list that is as new has waited for the watch's event.
    await client.send({ method: "GET", path: `${CONFIGMAPS}?resourceVersion=${resourceVersion}` });
  };
  try {
    await (caller ? caller.run(send) : send()).catch(() => undefined);
  } finally {
    client.close();
    caller?.end();
  }
}

/** Whether a span is the write of a ConfigMap to the store. */
export const written =
  (name: string) =>
  ({ attributes, ...span }: ReceivedSpan): boolean =>
    span.name === "Create etcd3" && attributes["key"] === `/registry/configmaps/default/${name}`;
