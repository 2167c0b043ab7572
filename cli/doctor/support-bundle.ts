import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { readAt } from "@raft2kube/linux/file/read-at.ts";
import type { TarInput } from "@raft2kube/runtime/image/tar/write.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { isStopped } from "../spec/nodes.ts";
import { processLog } from "../spec/paths.ts";
import { allProcesses } from "../spec/processes.ts";

/** The end of each log: days of a quiet cluster. */
const LOG_TAIL_BYTES = 2 * 1024 * 1024;
/** The page's objects, at their largest, are less than the client takes as an answer. */
const PAGE_OBJECTS = 50;
/** The JSON of one kind's objects has at most this length. */
const KIND_LENGTH_MAX = 8 * 1024 * 1024;
/** The JSON of all kinds has at most this length. */
const OBJECTS_LENGTH_MAX = 64 * 1024 * 1024;
/** How long the lists of one kind, and of all, may take: an aggregated server may have 1,000. */
export const KIND_TIMEOUT_MS = 15_000;
const OBJECTS_TIMEOUT_MS = 4 * KIND_TIMEOUT_MS;
/** Kinds whose objects hold credentials. */
const CREDENTIALS = new Set(["secrets", "certificatesigningrequests.certificates.k8s.io"]);
/** An annotation of kubectl with a copy of the object, which may be one of an earlier time. */
const COPY_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Collects what helps another person to see what is wrong: `state`, the ends of the logs of a
 * cluster's processes, and the objects of each kind but Secrets and signing requests. A log or a
 * list that cannot be read is replaced by the reason. `client` is undefined without a running API.
 */
export async function collectSupport(
  state: Readonly<Record<string, unknown>>,
  config: ClusterConfig,
  joined: readonly ClusterConfig[],
  client: KubeClient | undefined,
): Promise<TarInput[]> {
  const texts = Object.entries(state).map(([name, value]) => json(`${name}.json`, value));
  const running = joined.filter((node) => !isStopped(node));
  const logs = allProcesses(config, running).map(async ({ title, name, of }) => {
    const content = await tail(processLog(of, name));
    return { name: `logs/${title.replaceAll(" ", "-")}.log`, content };
  });
  return [...texts, ...(await Promise.all(logs)), ...(client ? await objects(client) : [])];
}

const json = (name: string, value: unknown): TarInput => {
  return { name, content: `${JSON.stringify(value, undefined, 1)}\n` };
};

/** A link in place of a log leads to a file that no one means to pass on, a fifo never opens. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

async function tail(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, READ);
    const { size } = await file.stat();
    return await readAt(file, Math.max(0, size - LOG_TAIL_BYTES), LOG_TAIL_BYTES);
  } catch (thrown) {
    if (codeOf(thrown) === undefined) throw thrown;
    return Buffer.from(`${messageOf(thrown)}\n`);
  }
}

async function objects(client: KubeClient): Promise<TarInput[]> {
  const files: TarInput[] = [];
  const index: Record<string, string> = {};
  let left = OBJECTS_LENGTH_MAX;
  const all = endingAfter(client, OBJECTS_TIMEOUT_MS);
  for (const resource of (await discover(client)).filter((each) => canDo(each, "list"))) {
    const name = groupResourceOf(resource);
    const texts: string[] = [];
    const length_max = Math.min(left, KIND_LENGTH_MAX);
    const ofKind = client.resource<KubeObject>(resource);
    const own = endingAfter(client, KIND_TIMEOUT_MS);
    const signal = AbortSignal.any([all.signal, own.signal]);
    const isSecret = CREDENTIALS.has(name);
    index[name] = isSecret ? "left out" : await list(ofKind, texts, { length_max, signal });
    own.cancel();
    if (texts.length === 0) continue;
    const content = `[${texts.join(",\n")}]\n`;
    left -= content.length;
    files.push({ name: `objects/${name}.json`, content });
  }
  all.cancel();
  return [json("objects/index.json", index), ...files];
}

function endingAfter({ clock }: KubeClient, ms: number) {
  const end = new AbortController();
  const timer = clock.after(ms, () => end.abort());
  return { signal: end.signal, cancel: () => timer.cancel() };
}

/** Adds objects as JSON to `texts`, page by page up to a length; returns how many there are. */
async function list(
  ofKind: ResourceClient<KubeObject>,
  texts: string[],
  { length_max, signal }: { readonly length_max: number; readonly signal: AbortSignal },
) {
  let length = 0;
  try {
    for await (const { items } of ofKind.pages({ limit: PAGE_OBJECTS, signal })) {
      for (const item of items) {
        const text = JSON.stringify(withoutCopies(item), undefined, 1);
        length += text.length;
        if (length > length_max) return `${texts.length}, and more: too long`;
        texts.push(text);
      }
    }
    return `${texts.length}`;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

function withoutCopies(object: KubeObject): KubeObject {
  const { managedFields: _, annotations = {}, ...metadata } = object.metadata;
  const { [COPY_ANNOTATION]: __, ...others } = annotations as Record<string, string>;
  return { ...object, metadata: { ...metadata, annotations: others } };
}
