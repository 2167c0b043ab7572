import { parentPort, workerData } from "node:worker_threads";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { assemble, type Assembled } from "../assemble.ts";
import { giveBody } from "../request/body.ts";
import type { Incoming, RequestContext } from "../request/context.ts";
import { asApiError } from "../http/filters.ts";
import { encodeWhole } from "../handlers/response/respond.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { serveResource } from "../handlers/dispatch.ts";
import type { Resource } from "../resource/resource.ts";
import { reserveForServices } from "../registry/services/allocate.ts";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import type { LargeAnswer, LargeRequest, LargeWrite, ThreadInit } from "./messages.ts";
import { storeOverPort } from "./store-over-port.ts";
import { isLargeJson } from "./weight.ts";

assert(parentPort, "large requests are served in a thread");
const owner = parentPort;
const starting = start(workerData as ThreadInit);

owner.on("message", (request: LargeRequest) => void serve(request));

/** Assembles an apiserver without an endpoint, on the owner's client of the store. */
async function start({ options, encryption }: ThreadInit): Promise<Assembled> {
  const etcd = storeOverPort(owner);
  const encrypted =
    encryption === undefined ? {} : { encryption: await readEncryption(encryption) };
  // The owner ends the thread by terminating it.
  const never = new AbortController().signal;
  const { server } = await assemble({ ...options, ...encrypted, etcd }, never);
  reserveForServices(server);
  for (const resource of server.resources.all()) announceWrites(resource);
  return server;
}

/** Reports large writes to the owner, whose cache need not parse them then. */
function announceWrites({ kind, store }: Resource): void {
  const { plural } = kind;
  const apiVersion = apiVersionOf(kind);
  store.recent.onWrite((key, value, selected) => {
    if (!isLargeJson(value)) return;
    owner.postMessage({ apiVersion, plural, key, value, selected } satisfies LargeWrite);
  });
}

async function serve(request: LargeRequest): Promise<void> {
  const aborting = new AbortController();
  request.port.once("message", () => aborting.abort());
  const context = contextOf(request, aborting.signal);
  const { warnings } = context;
  let answer: LargeAnswer;
  try {
    const server = await starting;
    const made = await serveResource(server, context);
    assert(made.type === "bytes" || made.type === "object", `an answer of type ${made.type}`);
    const now = () => server.clock.now();
    const bytes = made.type === "bytes" ? made : await encodeWhole(context, made, now);
    answer = { answer: bytes, warnings };
  } catch (thrown) {
    answer = { status: asApiError(thrown, context).status, warnings };
  }
  request.port.postMessage(answer);
}

/** Returns the context for handlers, which read only the request's headers and body. */
function contextOf(given: LargeRequest, signal: AbortSignal): RequestContext {
  const { context, method, url, headers, query, body } = given;
  const request = { method, url, headers } as Incoming;
  giveBody(request, asBuffer(body));
  return {
    ...context,
    request,
    signal,
    query: new URLSearchParams(query),
    response: undefined as never,
    upgrade: undefined,
    cut: () => undefined,
    warnings: [],
  };
}
