import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { alreadyExists, conflict, type GroupName, MODIFIED, notFound } from "../errors/catalog.ts";
import { UPDATE_ATTEMPTS_MAX } from "../limits.ts";
import { decodeRow, encodeRow } from "./body.ts";
import { keyOf } from "./keys.ts";
import { type Row, Rows } from "./rows.ts";

/** What an attempt to change an object wants done with it. */
export type Attempt<T> =
  | { do: "write"; object: T }
  | { do: "delete"; object: T }
  /** Nothing is to change; `object` is the answer. */
  | { do: "keep"; object: T };

/** Computes a change from what is there. It may run several times, each on the newest state. */
export type TryChange<T> = (current: T | undefined) => Promise<Attempt<T>> | Attempt<T>;

export interface Changed<T> {
  object: T;
  created: boolean;
  deleted: boolean;
}

/**
 * The objects of one kind in the store: decoded on the way out, compared and swapped on the way in.
 */
export class ObjectStore {
  readonly kind: Kind;
  readonly rows: Rows;
  readonly #subject: GroupName;

  constructor(kind: Kind, etcd: EtcdClient, subject: GroupName) {
    this.kind = kind;
    this.rows = new Rows(etcd);
    this.#subject = subject;
  }

  /** The object, as of now. Throws 404. */
  async get<T extends KubeObject = KubeObject>(namespace: string, name: string): Promise<T> {
    const found = await this.find<T>(namespace, name);
    if (found === undefined) throw notFound(this.#subject, name);
    return found;
  }

  async find<T extends KubeObject>(namespace: string, name: string): Promise<T | undefined> {
    const { row } = await this.rows.get(keyOf(this.kind, namespace, name));
    return row && decodeRow<T>(this.kind, row);
  }

  /** Writes a new object and answers it with its resourceVersion. Throws 409 AlreadyExists. */
  async create<T extends KubeObject>(object: T, lease?: bigint): Promise<T> {
    const { namespace = "", name = "" } = object.metadata;
    const key = keyOf(this.kind, namespace, name);
    const written = await this.rows.create(key, encodeRow(this.kind, object), lease);
    if (!written.done) throw alreadyExists(this.#subject, name);
    object.metadata.resourceVersion = String(written.revision);
    return object;
  }

  /**
   * Changes one object by comparing and swapping until an attempt holds (upstream's
   * GuaranteedUpdate).
   * A write that leaves the stored bytes as they are is not made: the resourceVersion stays.
   */
  async change<T extends KubeObject>(
    namespace: string,
    name: string,
    tryChange: TryChange<T>,
    lease?: bigint,
  ): Promise<Changed<T>> {
    const key = keyOf(this.kind, namespace, name);
    let { row } = await this.rows.get(key);
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS_MAX; attempt++) {
      const wanted = await tryChange(row && decodeRow<T>(this.kind, row));
      const done = await this.#try(key, row, wanted, lease);
      if (done.changed) return done.changed;
      row = done.current;
    }
    throw conflict(this.#subject, name, MODIFIED);
  }

  async #try<T extends KubeObject>(
    key: string,
    row: Row | undefined,
    wanted: Attempt<T>,
    lease: bigint | undefined,
  ): Promise<{ changed?: Changed<T>; current?: Row | undefined }> {
    const { object } = wanted;
    if (wanted.do === "keep") return { changed: { object, created: false, deleted: false } };
    if (wanted.do === "delete") {
      if (row === undefined) throw notFound(this.#subject, object.metadata.name ?? "");
      const removed = await this.rows.remove(key, row.revision);
      if (!removed.done) return { current: removed.current };
      object.metadata.resourceVersion = String(removed.revision);
      return { changed: { object, created: false, deleted: true } };
    }
    const value = encodeRow(this.kind, object);
    if (row?.value.equals(value)) {
      object.metadata.resourceVersion = String(row.revision);
      return { changed: { object, created: false, deleted: false } };
    }
    const written =
      row === undefined
        ? await this.rows.create(key, value, lease)
        : await this.rows.replace(key, row.revision, value, lease);
    if (!written.done) return { current: written.current };
    object.metadata.resourceVersion = String(written.revision);
    return { changed: { object, created: row === undefined, deleted: false } };
  }
}
