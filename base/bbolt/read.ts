import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { readAt } from "@raft2kube/linux/file/read-at.ts";
import { BboltError } from "./errors.ts";
import { BBOLT_DEPTH_MAX, BBOLT_PAGE_BYTES_MAX } from "./limits.ts";
import { decodeMetaPage, META_PAGE_BYTES, type MetaPage } from "./meta-page.ts";
import { BUCKET_FLAG, BUCKET_HEAD_BYTES, type LeafElement, type Pair } from "./page.ts";
import { readPage, readPageHead } from "./read-page.ts";

/** A bbolt file opened for reading. */
export interface OpenBbolt {
  /** Names of its buckets, in order. */
  buckets: string[];
  /**
   * The pairs of a bucket in order, a page's at a time; nothing for one that is not there. To be
   * asked for once: throws BboltError at the first page that contradicts itself or another, or
   * was read before.
   */
  pairs(bucket: string): AsyncGenerator<Pair[]>;
  /** Whether a SHA-256 at its end vouches for it, as for a snapshot; a member's db has none. */
  hasDigest: boolean;
  close(): Promise<void>;
}

/** etcd's snapshots end with their SHA-256, which no whole number of pages does. */
const DIGEST_BYTES = 32;
const SECTOR_BYTES = 512;
const HASH_CHUNK_BYTES = 1024 * 1024;
const PAGE_BYTES_MIN = 1024;
const PAGE_BYTES_MAX = 64 * 1024;

/** Opens a snapshot of etcd's, or the db file of a stopped member, and checks its digest if any. */
export async function openBbolt(path: string): Promise<OpenBbolt> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const hasDigest = size % SECTOR_BYTES === DIGEST_BYTES;
    const bytes = hasDigest ? size - DIGEST_BYTES : size;
    const meta = await readMeta(path, handle, bytes);
    if (!hasDigest && size % SECTOR_BYTES !== 0) {
      const what = "it was cut or added to: its end is neither that of a page nor of a SHA-256";
      throw new BboltError("BBOLT_DAMAGED", path, what);
    }
    if (hasDigest) await checkDigest(path, handle, bytes);
    const file = new PageFile(path, handle, meta);
    const roots = new Map<string, Buffer>();
    for await (const elements of file.tree({ page: meta.root })) {
      for (const { flags, key, value } of elements) {
        if (flags !== BUCKET_FLAG) file.damaged(meta.root, "has a pair beside the buckets");
        roots.set(key.toString("latin1"), Buffer.from(value));
      }
    }
    return {
      buckets: [...roots.keys()],
      pairs: (name) => pairsOf(file, name, roots.get(name)),
      hasDigest,
      close: () => handle.close(),
    };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

async function* pairsOf(
  file: PageFile,
  name: string,
  head: Buffer | undefined,
): AsyncGenerator<Pair[]> {
  if (!head) return;
  if (head.length < BUCKET_HEAD_BYTES) file.damaged(0, `bucket ${name} has a short head`);
  const root = Number(head.readBigUInt64LE(0));
  const inline = head.subarray(BUCKET_HEAD_BYTES);
  for await (const elements of file.tree(root === 0 ? { inline } : { page: root })) {
    yield elements.map(({ flags, key, value }): Pair => {
      if (flags === BUCKET_FLAG) file.damaged(root, `bucket ${name} has a bucket within`);
      return [key, value];
    });
  }
}

/** The valid one of the two first pages, the later one if both are. */
async function readMeta(path: string, handle: FileHandle, bytes: number): Promise<MetaPage> {
  const found: MetaPage[] = [];
  const reasons: string[] = [];
  const take = async (at: number, id: number) => {
    const meta = decodeMetaPage(await readAt(handle, at, META_PAGE_BYTES));
    if (typeof meta === "string") reasons.push(`page ${id} ${meta}`);
    else if (isPageSize(meta.pageBytes) && (at === 0 || meta.pageBytes === at)) found.push(meta);
    else reasons.push(`page ${id} says its pages have ${meta.pageBytes} bytes`);
  };
  await take(0, 0);
  const known = found[0]?.pageBytes;
  // With page 0 lost, page 1 is looked for where the usual sizes would have it.
  for (let at = known ?? PAGE_BYTES_MIN; at <= (known ?? PAGE_BYTES_MAX); at *= 2) {
    await take(at, 1);
  }
  const latest = found.sort((a, b) => b.transaction - a.transaction)[0];
  if (!latest) throw new BboltError("BBOLT_FORMAT", path, reasons[0] ?? "is empty");
  if (latest.pages * latest.pageBytes <= bytes) return latest;
  const what = `ends at byte ${bytes}, before its last page, ${latest.pages - 1}`;
  throw new BboltError("BBOLT_DAMAGED", path, what);
}

function isPageSize(bytes: number): boolean {
  return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) === 0;
}

async function checkDigest(path: string, handle: FileHandle, bytes: number): Promise<void> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; at += HASH_CHUNK_BYTES) {
    hash.update(await readAt(handle, at, Math.min(HASH_CHUNK_BYTES, bytes - at)));
  }
  if (hash.digest().equals(await readAt(handle, bytes, DIGEST_BYTES))) return;
  throw new BboltError("BBOLT_DAMAGED", path, "its SHA-256 is not that of its pages");
}

/** The root of a tree: a page of its own, or one within a bucket's value. */
type Root = { page: number; inline?: undefined } | { inline: Buffer; page?: undefined };

/** Reads trees page by page, each page once, and believes none of them. */
class PageFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #meta: MetaPage;
  /** A bit for each page that was read. */
  readonly #seen: Uint8Array;

  constructor(path: string, handle: FileHandle, meta: MetaPage) {
    this.#path = path;
    this.#handle = handle;
    this.#meta = meta;
    this.#seen = new Uint8Array(Math.ceil(meta.pages / 8));
  }

  damaged(page: number, what: string): never {
    throw new BboltError("BBOLT_DAMAGED", this.#path, `page ${page} ${what}`);
  }

  /** The leaves' elements in order. Keys ascend through the whole tree. */
  async *tree(root: Root) {
    let last: Buffer | undefined;
    for await (const { id, elements } of this.#leaves(root, 0)) {
      for (const { key } of elements) {
        if (last && last.compare(key) >= 0) this.damaged(id, "has keys out of order");
        last = key;
      }
      yield elements;
    }
  }

  async *#leaves(root: Root, depth: number): AsyncGenerator<LeafOf> {
    const id = root.page ?? 0;
    if (depth > BBOLT_DEPTH_MAX) this.damaged(id, `lies ${depth} levels deep`);
    const content = readPage(root.inline ?? (await this.#page(root.page)));
    if (typeof content === "string") this.damaged(id, content);
    if (content.kind === "leaf") {
      yield { id, elements: content.elements };
      return;
    }
    if (root.inline) this.damaged(id, "has a branch in place of a small bucket's leaf");
    for (const { child } of content.elements) yield* this.#leaves({ page: child }, depth + 1);
  }

  async #page(id: number): Promise<Buffer> {
    const { pageBytes, pages } = this.#meta;
    if (!(id >= 2 && id < pages)) this.damaged(id, `is outside of the ${pages} pages in use`);
    const first = await this.#read(id, pageBytes);
    const { id: claimed, span } = readPageHead(first);
    if (claimed !== BigInt(id)) this.damaged(id, `says that it is page ${claimed}`);
    if (id + span > pages || span * pageBytes > BBOLT_PAGE_BYTES_MAX) {
      this.damaged(id, `claims to take ${span} pages`);
    }
    for (let each = id; each < id + span; each++) this.#see(each);
    return span === 1 ? first : await this.#read(id, span * pageBytes);
  }

  #see(id: number): void {
    const bit = 1 << (id & 7);
    if ((this.#seen[id >> 3]! & bit) !== 0) this.damaged(id, "is used twice");
    this.#seen[id >> 3]! |= bit;
  }

  async #read(id: number, bytes: number): Promise<Buffer> {
    const page = await readAt(this.#handle, id * this.#meta.pageBytes, bytes);
    if (page.length < bytes) this.damaged(id, "is cut short");
    return page;
  }
}

type LeafOf = { id: number; elements: LeafElement[] };
