import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@raft2kube/std/assert.ts";
import { assemble, type Assembled } from "../assemble.ts";
import type { Answer } from "../request/answer.ts";
import { giveBody } from "../request/body.ts";
import type { Incoming, RequestContext } from "../request/context.ts";
import { asApiError } from "../http/filters.ts";
import { encodeWhole } from "../handlers/response/respond.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { serveResource } from "../handlers/dispatch.ts";
import type { Resource } from "../resource/resource.ts";
import { reserveForServices } from "../registry/services/allocate.ts";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import type {
  FromThread,
  LargeAnswer,
  LargeRequest,
  ThreadInit,
  ToThread,
} from "./messages.ts";
import { bufferOf } from "./store-calls.ts";
import { storeOverPort } from "./store-over-port.ts";
import { isLargeJson } from "./weight.ts";

assert(parentPort, "large requests are served in a thread");
const owner = parentPort;
const underWay = new Map<number, AbortController>();
const starting = start(workerData as ThreadInit);

owner.on("message", (message: ToThread) => {
  if (message.do === "abort") underWay.get(message.id)?.abort();
  else void serve(message.request);
});

/** An apiserver without an endpoint, on the owner's client of the store. */
async function start({ options, encryption, store }: ThreadInit): Promise<Assembled> {
  const etcd = storeOverPort(store);
  const encrypted =
    encryption === undefined ? {} : { encryption: await readEncryption(encryption) };
  // The thread ends at once when its owner wants it to.
  const never = new AbortController().signal;
  const { server } = await assemble({ ...options, ...encrypted, etcd }, never);
  reserveForServices(server);
  for (const resource of server.resources.all()) announceWrites(resource);
  return server;
}

/**
 * The owner's cache need not parse a write that was announced before the store's watch delivers it.
 */
function announceWrites({ kind, store }: Resource): void {
  const { plural } = kind;
  const apiVersion = apiVersionOf(kind);
  store.recent.tell((key, value, selected) => {
    if (isLargeJson(value)) tell({ write: { apiVersion, plural, key, value, selected } });
  });
}

function tell(message: FromThread): void {
  owner.postMessage(message);
}

async function serve(request: LargeRequest): Promise<void> {
  const { id } = request;
  const gone = new AbortController();
  underWay.set(id, gone);
  const context = contextOf(request, gone.signal);
  let answer: LargeAnswer;
  try {
    const server = await starting;
    const { code, contentType, body, headers } = await encoded(server, context);
    const { warnings } = context;
    answer = { id, code, contentType, body, headers, warnings };
  } catch (thrown) {
    const { status } = asApiError(thrown, context);
    answer = { id, status, warnings: context.warnings };
  }
  underWay.delete(id);
  tell({ answer });
}

async function encoded(server: Assembled, context: RequestContext) {
  const answer: Answer = await serveResource(server, context);
  if (answer.type === "bytes") return answer;
  assert(answer.type === "object", `an answer of type ${answer.type} to a large request`);
  return { ...(await encodeWhole(context, answer, () => server.clock.now())), headers: undefined };
}

/** The request as handlers know it. They look at its headers and its body, at nothing else. */
function contextOf(given: LargeRequest, signal: AbortSignal): RequestContext {
  const { requestId: id, method, url, headers, info, query, user, body } = given;
  const request = { method, url, headers } as Incoming;
  giveBody(request, bufferOf(body));
  return {
    id,
    request,
    response: undefined as never,
    info,
    query: new URLSearchParams(query),
    user,
    signal,
    upgrade: undefined,
    cut: () => undefined,
    warnings: [],
  };
}
