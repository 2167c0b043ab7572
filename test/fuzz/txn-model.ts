import type { EtcdErrorName } from "@raft2kube/client-etcd/errors.ts";
import {
  RangeRequest_SortTarget as By,
  type Compare,
  type DeleteRangeRequest,
  Compare_CompareTarget as Of,
  RangeRequest_SortOrder as Order,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  Compare_CompareResult as Result,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";

/** A key with its record, bytes as latin1. */
export interface Rec {
  key: string;
  value: string;
  create: number;
  mod: number;
  version: number;
  lease: bigint;
}

/** An answer in words that the store's can be put into too. */
export type Answer =
  | { range: Rec[]; more: boolean; count: number; at: number }
  | { put: Rec | undefined; at: number }
  | { deleted: number; before: Rec[]; at: number }
  | TxnAnswers;
export type TxnAnswers = { succeeded: boolean; answers: Answer[] };

type Keys = ReadonlyMap<string, Rec>;
type Branch = { succeeded: boolean; operations: readonly RequestOp[]; inner: Branch[] };

/**
 * etcd's transactions as simply as they can be said, apart from the store's code: each revision is
 * a whole copy, and all that may fail is looked for before anything is done.
 */
export class TxnModel {
  /** Keys by revision; 1 is the empty store. */
  readonly #revisions: Keys[] = [new Map(), new Map()];
  readonly leases = new Set<bigint>();
  compacted = -1;

  get revision(): number {
    return this.#revisions.length - 1;
  }

  get newest(): Rec[] {
    return sorted(this.#revisions.at(-1)!);
  }

  /** Executes a transaction, or names etcd's error and changes nothing. */
  txn(request: TxnRequest): TxnAnswers | EtcdErrorName {
    const branch = this.#choose(request);
    const error = this.#refusal(flat(branch));
    if (error) return error;
    const work = new Work(this.#revisions);
    const answers = this.#act(work, branch);
    if (work.changed) this.#revisions.push(work.keys);
    return answers;
  }

  #choose({ compare, success, failure }: TxnRequest): Branch {
    const now = this.#revisions.at(-1)!;
    const succeeded = compare.every((each) => holds(now, each));
    const operations = succeeded ? success : failure;
    const inner = operations.flatMap(({ requestTxn }) => {
      return requestTxn ? [this.#choose(requestTxn)] : [];
    });
    return { succeeded, operations, inner };
  }

  #refusal(operations: readonly RequestOp[]): EtcdErrorName | undefined {
    const now = this.#revisions.at(-1)!;
    for (const { requestPut, requestRange } of operations) {
      if (requestPut) {
        const { key, ignoreValue, ignoreLease, lease } = requestPut;
        if ((ignoreValue || ignoreLease) && !now.has(text(key))) return "keyNotFound";
        if (lease !== 0n && !this.leases.has(lease)) return "leaseNotFound";
      }
      if (!requestRange || requestRange.revision === 0) continue;
      if (requestRange.revision > this.revision) return "futureRevision";
      if (requestRange.revision < this.compacted) return "compacted";
    }
    return undefined;
  }

  #act(work: Work, { succeeded, operations, inner }: Branch): TxnAnswers {
    const branches = inner.values();
    const answers = operations.map((operation): Answer => {
      const { requestRange, requestPut, requestDeleteRange } = operation;
      if (requestRange) return work.range(requestRange);
      if (requestPut) return work.put(requestPut);
      if (requestDeleteRange) return work.remove(requestDeleteRange);
      return this.#act(work, branches.next().value!);
    });
    return { succeeded, answers };
  }
}

/** The changes of a transaction so far. */
class Work {
  readonly #revisions: readonly Keys[];
  readonly keys: Map<string, Rec>;
  changed = false;

  constructor(revisions: readonly Keys[]) {
    this.#revisions = revisions;
    this.keys = new Map(revisions.at(-1));
  }

  get #at(): number {
    return this.#revisions.length - 1 + (this.changed ? 1 : 0);
  }

  range(request: RangeRequest): Answer {
    const { revision, countOnly, keysOnly, limit } = request;
    const keys = revision > 0 ? this.#revisions[revision]! : this.keys;
    const all = sorted(keys).filter(({ key }) => within(request, key));
    const count = all.length;
    if (countOnly) return { range: [], more: false, count, at: this.#at };
    const found = inOrder(
      request,
      all.filter((rec) => passes(request, rec)),
    );
    const cut = limit > 0 ? found.slice(0, limit) : found;
    const range = keysOnly ? cut.map((rec) => ({ ...rec, value: "" })) : cut;
    return { range, more: found.length > cut.length, count, at: this.#at };
  }

  put({ key, value, lease, ignoreValue, ignoreLease, prevKv }: PutRequest): Answer {
    const name = text(key);
    const before = this.keys.get(name);
    this.changed = true;
    this.keys.set(name, {
      key: name,
      value: ignoreValue && before ? before.value : text(value),
      create: before?.create ?? this.#at,
      mod: this.#at,
      version: (before?.version ?? 0) + 1,
      lease: ignoreLease && before ? before.lease : lease,
    });
    return { put: prevKv ? before : undefined, at: this.#at };
  }

  remove(request: DeleteRangeRequest): Answer {
    const gone = sorted(this.keys).filter(({ key }) => within(request, key));
    for (const { key } of gone) this.keys.delete(key);
    if (gone.length > 0) this.changed = true;
    return { deleted: gone.length, before: request.prevKv ? gone : [], at: this.#at };
  }
}

export const text = (bytes: Buffer): string => bytes.toString("latin1");

function flat({ operations, inner }: Branch): RequestOp[] {
  const branches = inner.values();
  return operations.flatMap((operation) => {
    return operation.requestTxn ? flat(branches.next().value!) : [operation];
  });
}

const sorted = (keys: Keys): Rec[] => [...keys.values()].sort((a, b) => (a.key < b.key ? -1 : 1));

function within({ key, rangeEnd }: { key: Buffer; rangeEnd: Buffer }, name: string): boolean {
  const [from, to] = [text(key), text(rangeEnd)];
  if (to === "") return name === from;
  return name >= from && (to === "\0" || name < to);
}

function passes(request: RangeRequest, { create, mod }: Rec): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const between = (value: number, min: number, max: number) => {
    return (min === 0 || value >= min) && (max === 0 || value <= max);
  };
  const inMod = between(mod, minModRevision, maxModRevision);
  return inMod && between(create, minCreateRevision, maxCreateRevision);
}

const order = <T>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);

/** A target without an order sorts no more than the limit let through, and one. */
function inOrder(request: RangeRequest, recs: Rec[]): Rec[] {
  const { sortTarget, sortOrder, limit } = request;
  const by: Record<number, (rec: Rec) => string | number> = {
    [By.KEY]: ({ key }) => key,
    [By.VERSION]: ({ version }) => version,
    [By.CREATE]: ({ create }) => create,
    [By.MOD]: ({ mod }) => mod,
    [By.VALUE]: ({ value }) => value,
  };
  const read = by[sortTarget]!;
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const bounds = [minModRevision, maxModRevision, minCreateRevision, maxCreateRevision];
  const early = limit > 0 && sortOrder === Order.NONE && !bounds.some(Boolean);
  const sign = sortOrder === Order.DESCEND ? -1 : 1;
  const known = early ? recs.slice(0, limit + 1) : [...recs];
  return known.sort((a, b) => sign * order(read(a), read(b)));
}

function holds(keys: Keys, compare: Compare): boolean {
  const found = sorted(keys).filter(({ key }) => within(compare, key));
  if (found.length > 0) return found.every((rec) => related(compare, rec));
  const nothing: Rec = { key: "", value: "", create: 0, mod: 0, version: 0, lease: 0n };
  return compare.target !== Of.VALUE && related(compare, nothing);
}

function related(compare: Compare, rec: Rec): boolean {
  const difference = differenceOf(compare, rec);
  if (compare.result === Result.EQUAL) return difference === 0;
  if (compare.result === Result.NOT_EQUAL) return difference !== 0;
  if (compare.result === Result.GREATER) return difference > 0;
  return compare.result === Result.LESS ? difference < 0 : true;
}

function differenceOf(compare: Compare, rec: Rec): number {
  const { target, version = 0, createRevision = 0, modRevision = 0, lease = 0n, value } = compare;
  if (target === Of.VALUE) return order(rec.value, value ? text(value) : "");
  if (target === Of.VERSION) return order(rec.version, version);
  if (target === Of.CREATE) return order(rec.create, createRevision);
  if (target === Of.MOD) return order(rec.mod, modRevision);
  return target === Of.LEASE ? order(rec.lease, lease) : 0;
}
