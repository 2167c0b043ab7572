import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import {
  alreadyExists,
  conflict,
  type GroupName,
  MODIFIED,
  notFound,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { ValueEncryption } from "@raft2kube/encryption/value-encryption.ts";
import { type Attributes, traced } from "@raft2kube/observe/trace/tracer.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { UPDATE_ATTEMPTS_MAX } from "../limits.ts";
import { StoreMetrics } from "../metrics/resource-metrics.ts";
import type { Entry } from "../object/entry.ts";
import { decodeRow, encodeRow, isSameRow, isServedAsStored, servedLength } from "./body.ts";
import { keyOf } from "./keys.ts";
import { RecentWrites } from "./recent-writes.ts";
import { type Row, Rows } from "./rows.ts";
import { inStoredVersion, inVersionOf } from "./stored-versions.ts";

/** The result of an attempt to change an object. */
export type Attempt<T> =
  | { do: "write"; object: T }
  | { do: "delete"; object: T }
  /** Nothing is to change; `object` is the answer. */
  | { do: "keep"; object: T };

/**
 * Computes a change from the current object. It may run several times, each on the newest state.
 */
export type TryChange<T> = (current: T | undefined) => Promise<Attempt<T>> | Attempt<T>;

export type Changed<T> = { object: T; created: boolean; deleted: boolean };

/** Called before `bytes` are written in the place of `before`; throws if they must not be. */
export type CountWrite = (bytes: number, before: number) => void;

export interface ChangeOptions {
  lease?: bigint | undefined;
  /** The cached object: the first attempt uses it, which saves a read if it is current. */
  cached?: Entry | undefined;
  countWrite?: CountWrite | undefined;
}

/** Waits for the turn of the event loop in which bytes are decoded. */
type Turn = (value: Buffer) => Promise<void>;

export interface ObjectStoreOptions {
  /** How values lie in the store; by default as they are. */
  valueEncryption?: ValueEncryption | undefined;
  /** Counts requests to the store. */
  metrics?: StoreMetrics;
}

/** The object that an attempt was made on. */
interface Base {
  /** 0 when there is nothing. */
  revision: number;
  /** Decodes the object at each call. */
  object(): KubeObject | undefined;
  /** The stored bytes before encryption, when it was read from the store. */
  value: Buffer | undefined;
  /** The length of the JSON that clients get, when it was not. */
  bytes: number;
  stale: boolean;
  fromCache: boolean;
}

/**
 * The objects of one kind in the store: decoded on the way out, compared and swapped on the way in.
 */
export class ObjectStore {
  readonly kind: Kind;
  readonly rows: Rows;
  readonly recent: RecentWrites;
  readonly #subject: GroupName;
  /** Stored bytes are what clients get but for the resourceVersion. */
  readonly #alike: boolean;

  readonly metrics: StoreMetrics;

  constructor(
    kind: Kind,
    etcd: EtcdClient,
    subject: GroupName,
    { valueEncryption, metrics = new StoreMetrics() }: ObjectStoreOptions = {},
  ) {
    this.kind = kind;
    this.metrics = metrics;
    this.rows = new Rows(etcd, valueEncryption, metrics);
    this.recent = new RecentWrites(kind);
    this.#subject = subject;
    this.#alike = isServedAsStored(kind);
  }

  /** The object, as of now, which is decoded once `turn` has resolved. Throws 404. */
  async get<T extends KubeObject = KubeObject>(
    namespace: string,
    name: string,
    turn?: Turn,
  ): Promise<T> {
    const found = await this.find<T>(namespace, name, turn);
    if (found === undefined) throw notFound(this.#subject, name);
    return found;
  }

  async find<T extends KubeObject>(
    namespace: string,
    name: string,
    turn?: Turn,
  ): Promise<T | undefined> {
    const { row } = await this.rows.get(keyOf(this.kind, namespace, name));
    if (row === undefined) return undefined;
    await turn?.(row.value);
    return decodeRow<T>(this.kind, await this.#converted(row));
  }

  async #converted(row: Row): Promise<Row> {
    const [converted = row] = await inVersionOf(this.kind, [row]);
    return converted;
  }

  async #encode(object: KubeObject): Promise<Buffer> {
    return encodeRow(this.kind, await inStoredVersion(this.kind, object));
  }

  /** Writes a new object and answers it with its resourceVersion. Throws 409 AlreadyExists. */
  async create<T extends KubeObject>(
    object: T,
    lease?: bigint,
    countWrite?: CountWrite,
  ): Promise<T> {
    const { namespace = "", name = "" } = object.metadata;
    assert(!name.includes("/"), `not an object's name: ${JSON.stringify(name)}`);
    const key = keyOf(this.kind, namespace, name);
    const write = () => this.#create(key, object, { lease, countWrite });
    return await traced("Create etcd3", write, () => this.#attributes(key));
  }

  #attributes(key: string): Attributes {
    const { kind, group, plural } = this.kind;
    return { key, type: kind, group, resource: plural };
  }

  async #create<T extends KubeObject>(
    key: string,
    object: T,
    { lease, countWrite }: ChangeOptions,
  ): Promise<T> {
    const value = await this.#encode(object);
    countWrite?.(value.length, 0);
    this.recent.note(key, value, object);
    const written = await this.rows.create(key, value, lease);
    if (!written.done) throw alreadyExists(this.#subject, object.metadata.name ?? "");
    this.recent.stored(key, value, written.revision);
    object.metadata.resourceVersion = String(written.revision);
    return await this.answer(object, value);
  }

  /**
   * The answer to a write, also of a dry run: a custom resource is what a read would return, with
   * the defaults of the version that it lies in, and without the fields which that does not have.
   */
  async answer<T extends KubeObject>(object: T, stored?: Buffer): Promise<T> {
    const { kind } = this;
    if (isBuiltIn(kind)) return object;
    if (kind.storage?.as.version === kind.version) return kind.fromStorage!(object) as T;
    const { resourceVersion } = object.metadata;
    const value = stored ?? (await this.#encode(object));
    const row = await this.#converted({ key: "", value, revision: Number(resourceVersion ?? 0) });
    const answer = decodeRow<T>(kind, row);
    if (resourceVersion === undefined) delete answer.metadata.resourceVersion;
    return answer;
  }

  /**
   * Changes one object by compare and swap until an attempt succeeds (upstream's GuaranteedUpdate).
   * A write that leaves the stored bytes as they are is not made: the resourceVersion stays. An
   * attempt that fails on a cached object is repeated on the stored one, if that has another
   * revision; else its error is final, for a change may call webhooks. Throws 409 Conflict after
   * UPDATE_ATTEMPTS_MAX attempts.
   */
  async change<T extends KubeObject>(
    namespace: string,
    name: string,
    tryChange: TryChange<T>,
    options: ChangeOptions = {},
  ): Promise<Changed<T>> {
    const key = keyOf(this.kind, namespace, name);
    const write = () => this.#change(key, name, tryChange, options);
    return await traced("GuaranteedUpdate etcd3", write, () => this.#attributes(key));
  }

  async #change<T extends KubeObject>(
    key: string,
    name: string,
    tryChange: TryChange<T>,
    given: ChangeOptions,
  ): Promise<Changed<T>> {
    const { cached } = given;
    const options = countedOnce(given);
    // lab:07c begin change
    let base = cached ? cachedBase(cached) : await this.#newest(key);
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS_MAX; attempt++) {
      let wanted: Attempt<T>;
      try {
        wanted = await tryChange(base.object() as T | undefined);
      } catch (thrown) {
        if (!base.fromCache) throw thrown;
        const newest = await this.#newest(key);
        if (newest.revision === base.revision) throw thrown;
        base = newest;
        continue;
      }
      const done = await this.#try(key, base, wanted, options);
      if (done.changed) return done.changed;
      base = done.current;
    }
    throw conflict(this.#subject, name, MODIFIED);
    // lab:07c end
  }

  async #newest(key: string): Promise<Base> {
    return await this.#baseOf((await this.rows.get(key)).row);
  }

  async #baseOf(stored: Row | undefined): Promise<Base> {
    const row = stored && (await this.#converted(stored));
    return {
      revision: row?.revision ?? 0,
      object: () => row && decodeRow(this.kind, row),
      value: stored?.value,
      bytes: 0,
      stale: row?.stale ?? false,
      fromCache: false,
    };
  }

  async #try<T extends KubeObject>(
    key: string,
    base: Base,
    wanted: Attempt<T>,
    { lease, countWrite }: ChangeOptions,
  ): Promise<{ changed: Changed<T>; current?: never } | { changed?: never; current: Base }> {
    const { object } = wanted;
    const value = wanted.do === "write" ? await this.#encode(object) : undefined;
    const asIs = value === undefined ? wanted.do === "keep" : await this.#holds(base, value);
    if (asIs) {
      // The cached object may be outdated: no change is needed only if the newest needs none.
      const newest = base.fromCache ? await this.#newest(key) : base;
      if (newest.revision !== base.revision) return { current: newest };
      if (value === undefined) {
        const answer = await this.answer(object);
        return { changed: { object: answer, created: false, deleted: false } };
      }
      // A value stored in another form, encrypted by an old key or as protobuf, is rewritten.
      if (isSameRow(newest.value!, value) && !newest.stale) {
        object.metadata.resourceVersion = String(base.revision);
        const answer = await this.answer(object, value);
        return { changed: { object: answer, created: false, deleted: false } };
      }
    }
    if (value === undefined) return await this.#remove(key, base, object);
    countWrite?.(value.length, base.value?.length ?? base.bytes);
    this.recent.note(key, value, object);
    const written =
      base.revision === 0
        ? await this.rows.create(key, value, lease)
        : await this.rows.replace(key, base.revision, value, lease);
    if (!written.done) return { current: await this.#baseOf(written.current) };
    this.recent.stored(key, value, written.revision);
    object.metadata.resourceVersion = String(written.revision);
    const answer = await this.answer(object, value);
    return { changed: { object: answer, created: base.revision === 0, deleted: false } };
  }

  /** Whether the object that `value` is of is stored already. */
  async #holds(base: Base, value: Buffer): Promise<boolean> {
    if (base.value) return isSameRow(base.value, value);
    // Equal members in any order have the same length: most changes differ in that already.
    if (this.#alike && base.bytes !== servedLength(value, base.revision)) return false;
    const object = base.object();
    return object !== undefined && isSameRow(await this.#encode(object), value);
  }

  async #remove<T extends KubeObject>(key: string, base: Base, object: T) {
    if (base.revision === 0) throw notFound(this.#subject, object.metadata.name ?? "");
    const removed = await this.rows.remove(key, base.revision);
    if (!removed.done) return { current: await this.#baseOf(removed.current) };
    object.metadata.resourceVersion = String(removed.revision);
    return { changed: { object, created: false, deleted: true } };
  }
}

/** Counts the first attempt alone: no other one is stored unless it was not. */
function countedOnce({ lease, countWrite }: ChangeOptions): ChangeOptions {
  if (!countWrite) return { lease };
  let isCounted = false;
  const once: CountWrite = (bytes, before) => {
    if (!isCounted) countWrite(bytes, before);
    isCounted = true;
  };
  return { lease, countWrite: once };
}

function cachedBase(entry: Entry): Base {
  return {
    revision: entry.revision,
    object: () => entry.object(),
    value: undefined,
    bytes: entry.body.length,
    stale: false,
    fromCache: true,
  };
}
