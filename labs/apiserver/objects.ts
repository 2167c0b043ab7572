import { EVERYTHING, type Selection } from "@raft2kube/apiserver/cache/selection.ts";
import { WatchCache } from "@raft2kube/apiserver/cache/watch-cache.ts";
import { Entry } from "@raft2kube/apiserver/object/entry.ts";
import { inWords } from "../../testing/apiserver/watch-words.ts";
import { clock } from "./config-map-servers.ts";

/** The fields of an object that a selector can match. */
export type Seen = { readonly app?: string; readonly node?: string };

export const keyOf = (name: string): string => `/registry/pods/lab/${name}`;

/** A pod as the cache has it. */
export function podEntry(name: string, revision: number, { app, node }: Seen, fill = 0): Entry {
  const labels: Record<string, string> = app === undefined ? {} : { app };
  const metadata = { name, namespace: "lab", labels, resourceVersion: String(revision) };
  return new Entry({
    key: keyOf(name),
    name,
    namespace: "lab",
    uid: name,
    revision,
    labels,
    fields: { "spec.nodeName": node ?? "" },
    body: Buffer.from(JSON.stringify({ metadata, fill: "x".repeat(fill) })),
  });
}

export function emptyCache(revision = 1): WatchCache {
  const cache = new WatchCache(clock);
  cache.reset([], revision);
  return cache;
}

export function put(cache: WatchCache, name: string, revision: number, seen: Seen = {}): void {
  cache.apply({ type: "put", revision, entry: podEntry(name, revision, seen) });
}

export function remove(cache: WatchCache, name: string, revision: number): void {
  cache.apply({ type: "delete", revision, key: keyOf(name) });
}

export const ALL = { selection: EVERYTHING, bookmarks: false, encoder: inWords };

/** Selects the objects of an application. */
export function ofApp(app: string): Selection {
  const matches = (entry: Entry) => entry.labels["app"] === app;
  return { ...EVERYTHING, id: `app=${app}`, matches };
}

/** Selects a node's objects, as its kubelet does; calls `evaluated` for each object compared. */
export function onNode(node: string, evaluated: () => void = () => undefined): Selection {
  const matches = (entry: Entry) => {
    evaluated();
    return entry.fields["spec.nodeName"] === node;
  };
  return { ...EVERYTHING, id: `node=${node}`, nodeName: node, matches };
}
