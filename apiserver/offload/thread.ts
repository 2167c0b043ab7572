import { parentPort, workerData } from "node:worker_threads";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { NO_ENCRYPTION, readEncryption } from "@raft2kube/encryption/config.ts";
import { fixed } from "@raft2kube/reconcile/followed-file.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import { assemble } from "../assemble.ts";
import { definitionsIn } from "../customresources/definition.ts";
import { serveResource } from "../handlers/dispatch.ts";
import { encodeWhole, encodeWholeList } from "../handlers/response/respond.ts";
import { asApiError } from "../http/filters.ts";
import { REQUEST_TIMEOUT_MS } from "../limits.ts";
import { reserveForServices } from "../registry/services/allocate.ts";
import type { BytesAnswer } from "../request/answer.ts";
import { giveBody } from "../request/body.ts";
import type { Incoming, RequestContext } from "../request/context.ts";
import { timeoutOf } from "../request/request-info.ts";
import type { LargeAnswer, LargeRequest, ThreadInit } from "./large-thread.ts";

// An apiserver without an endpoint, which its owner ends. If it cannot start, the thread ends.
const { store, encryption, authorizers, ...options } = workerData as ThreadInit;
const etcd = connectEtcd({ ...store, timeout_ms: REQUEST_TIMEOUT_MS });
const encrypted = encryption === undefined ? NO_ENCRYPTION : await readEncryption(encryption);
// Without `steps_max`, as nothing else waits for this thread's loop.
const { signal: never } = new AbortController();
const authorization = authorizers && fixed(authorizers);
const { server } = await assemble(
  { ...options, etcd, encryption: encrypted, ...(authorization && { authorization }) },
  { leaving: never, closing: never },
);
reserveForServices(server);
parentPort!.on("message", (request: LargeRequest) => {
  const aborting = new AbortController();
  request.port.once("message", () => aborting.abort());
  void serve(request, aborting.signal);
});

async function serve(given: LargeRequest, signal: AbortSignal): Promise<void> {
  const context = contextOf(given, signal);
  const answer = await answerTo(context).catch(
    (thrown: unknown) => asApiError(thrown, context).status,
  );
  given.port.postMessage({ answer, warnings: context.warnings } satisfies LargeAnswer);
}

async function answerTo(context: RequestContext): Promise<BytesAnswer> {
  context.signal.throwIfAborted();
  const { group } = context.info;
  // The schema must not be older than the one that the owner of the thread knows.
  if (server.resources.builtIn.every((kind) => kind.group !== group)) {
    await definitionsIn(server.resources).freshCache();
  }
  const answer = await serveResource(server, context);
  if (answer.type === "bytes") return answer;
  if (answer.type === "list") {
    return await encodeWholeList(context, answer, () => server.clock.now());
  }
  assert(answer.type === "object", `an answer of type ${answer.type}`);
  return await encodeWhole(context, answer, () => server.clock.now());
}

/** Returns the context for handlers, which read only the request's headers and body. */
function contextOf({ context, ...given }: LargeRequest, signal: AbortSignal): RequestContext {
  const request = given.request as Incoming;
  giveBody(request, asBuffer(given.body));
  const query = new URLSearchParams(given.query);
  const none = { response: undefined as never, upgrade: undefined, cut: () => undefined };
  const deadline_ms = server.clock.monotonic() + timeoutOf(query);
  return { ...context, ...none, request, query, signal, deadline_ms, warnings: [] };
}
