import type { Histogram } from "@raft2kube/observe/families.ts";
import type { Entry } from "../object/entry.ts";
import type { CacheEvent, WatchEncoder } from "./event.ts";
import type { Flusher } from "./flusher.ts";
import { Projection, type Selection } from "./selection.ts";
import { WatchChannel } from "./watch-channel.ts";
import type { Watcher } from "./watcher.ts";

/** Watchers of one selection: what an event is for them is found out once. */
interface Group {
  readonly selection: Selection;
  readonly place: string;
  /** Channels by encoder and whether bookmarks are wanted. */
  readonly channels: Map<string, WatchChannel>;
}

/**
 * The watchers of one kind, grouped by selection. A group whose selection is bound to one object,
 * node or namespace gets only their events; so an event of a pod is not evaluated for a thousand
 * kubelets of other nodes.
 */
export class WatchGroups {
  readonly #flusher: Flusher;
  readonly #groups = new Map<string, Group>();
  readonly #places = new Map<string, Set<Group>>();
  /** Watchers by place. */
  readonly #numbers = new Map<string, number>();
  #watchers = 0;
  /** Events sent to watchers that have left. */
  #sentBefore = 0;

  readonly #sizes: Histogram;

  /** `sizes` counts the bytes of each event as often as it is sent. */
  constructor(flusher: Flusher, sizes: Histogram) {
    this.#flusher = flusher;
    this.#sizes = sizes;
  }

  get watchers(): number {
    return this.#watchers;
  }

  /** Events sent to all watchers so far. */
  get eventsSent(): number {
    let sent = this.#sentBefore;
    for (const watcher of this) sent += watcher.sent;
    return sent;
  }

  *[Symbol.iterator](): Generator<Watcher> {
    for (const { channels } of this.#groups.values()) {
      for (const channel of channels.values()) yield* channel.watchers;
    }
  }

  /** Adds a watcher; returns how to take it out again. */
  join(selection: Selection, encoder: WatchEncoder, watcher: Watcher): () => void {
    const group = this.#groups.get(selection.id) ?? this.#addGroup(selection);
    const id = `${encoder.id} ${watcher.bookmarks}`;
    let channel = group.channels.get(id);
    if (channel === undefined) {
      const { bookmarks } = watcher;
      const [flusher, sizes] = [this.#flusher, this.#sizes];
      channel = new WatchChannel({ encoder, bookmarks, flusher, sizes });
      group.channels.set(id, channel);
    }
    channel.join(watcher);
    this.#count(group.place, 1);
    return () => {
      this.#count(group.place, -1);
      this.#sentBefore += watcher.sent;
      channel.leave(watcher);
      if (channel.watchers.size > 0) return;
      group.channels.delete(id);
      if (group.channels.size === 0) this.#dropGroup(group);
    };
  }

  /** Counts the watchers that get the events of an object, but for those of one node's objects. */
  watchersOf(namespace: string, name: string): number {
    const places = new Set([EVERYWHERE, namespacePlace(namespace), objectPlace("", name)]);
    places.add(objectPlace(namespace, name));
    let watchers = 0;
    for (const place of places) watchers += this.#numbers.get(place) ?? 0;
    return watchers;
  }

  #count(place: string, by: 1 | -1): void {
    this.#watchers += by;
    const number = (this.#numbers.get(place) ?? 0) + by;
    if (number > 0) this.#numbers.set(place, number);
    else this.#numbers.delete(place);
  }

  #addGroup(selection: Selection): Group {
    const group: Group = { selection, place: placeOf(selection), channels: new Map() };
    this.#groups.set(selection.id, group);
    const there = this.#places.get(group.place);
    if (there) there.add(group);
    else this.#places.set(group.place, new Set([group]));
    return group;
  }

  #dropGroup(group: Group): void {
    this.#groups.delete(group.selection.id);
    const there = this.#places.get(group.place);
    there?.delete(group);
    if (there?.size === 0) this.#places.delete(group.place);
  }

  /** Hands an event to all whose selection it concerns. */
  push(event: CacheEvent): void {
    if (this.#groups.size === 0) return;
    // lab:07b begin groups-push
    const projection = new Projection(event);
    const shared = new Map<string, Buffer>();
    for (const place of placesOf(event)) {
      for (const { selection, channels } of this.#places.get(place) ?? []) {
        const item = projection.seenBy(selection);
        if (item === undefined || item.type === "ERROR" || item.type === "BOOKMARK") continue;
        const replaced = event.previous?.bytes;
        for (const channel of channels.values()) channel.push(item, shared, replaced);
      }
    }
    // lab:07b end
  }

  /** Sends a bookmark to all watchers that requested them: no event is missing up to `revision`. */
  sendBookmark(revision: number): void {
    const shared = new Map<string, Buffer>();
    for (const { channels } of this.#groups.values()) {
      for (const channel of channels.values()) {
        if (!channel.bookmarks) continue;
        channel.push({ type: "BOOKMARK", revision, initialEventsEnd: false }, shared);
      }
    }
  }
}

const EVERYWHERE = "*";

/** The narrowest place that sees all events of a selection. */
function placeOf({ namespace, name, nodeName }: Selection): string {
  if (name !== undefined) return objectPlace(namespace, name);
  if (nodeName !== undefined) return nodePlace(nodeName);
  return namespace === "" ? EVERYWHERE : namespacePlace(namespace);
}

/** The places that an event passes. */
function placesOf({ entry, previous }: CacheEvent): Set<string> {
  // lab:07b begin places-of
  const { namespace, name } = entry;
  const places = new Set([EVERYWHERE, objectPlace(namespace, name), objectPlace("", name)]);
  places.add(namespacePlace(namespace));
  for (const node of [nodeNameOf(entry), nodeNameOf(previous)]) {
    if (node !== undefined) places.add(nodePlace(node));
  }
  return places;
  // lab:07b end
}

const nodeNameOf = (entry: Entry | undefined): string | undefined => entry?.fields["spec.nodeName"];

const objectPlace = (namespace: string, name: string): string => `object ${namespace}/${name}`;

const nodePlace = (node: string): string => `node ${node}`;

const namespacePlace = (namespace: string): string => `namespace ${namespace}`;
