import { PAGE_BYTES, PAGE_HEAD_BYTES, PageKind, writePageHead } from "./page.ts";

/**
 * bbolt's two first pages say what the file is and where its root is; the valid one of the later
 * transaction counts. Behind the page's header: magic u32, version u32, page size u32, flags u32,
 * root page u64, sequence u64, freelist's page u64, pages in use u64, transaction u64, checksum
 * u64.
 */
export const META_PAGE_BYTES = PAGE_HEAD_BYTES + 64;
const MAGIC = 0xed0cdaed;
const VERSION = 2;
const SUMMED_BYTES = 56;

export interface MetaPage {
  pageBytes: number;
  /** The page at which the tree of buckets starts. */
  root: number;
  /** Pages in use are below it. */
  pages: number;
  transaction: number;
}

export function encodeMetaPage(id: 0 | 1, meta: MetaPage & { freelist: number }): Buffer {
  const page = Buffer.alloc(PAGE_BYTES);
  writePageHead(page, { id, kind: PageKind.meta, count: 0, span: 1 });
  const body = page.subarray(PAGE_HEAD_BYTES);
  body.writeUInt32LE(MAGIC, 0);
  body.writeUInt32LE(VERSION, 4);
  body.writeUInt32LE(meta.pageBytes, 8);
  body.writeBigUInt64LE(BigInt(meta.root), 16);
  body.writeBigUInt64LE(BigInt(meta.freelist), 32);
  body.writeBigUInt64LE(BigInt(meta.pages), 40);
  body.writeBigUInt64LE(BigInt(meta.transaction), 48);
  sealMetaPage(page);
  return page;
}

/** Writes a meta page's checksum. */
export function sealMetaPage(page: Buffer): void {
  const body = page.subarray(PAGE_HEAD_BYTES);
  body.writeBigUInt64LE(fnv1a(body.subarray(0, SUMMED_BYTES)), SUMMED_BYTES);
}

/** Reads a meta page, or returns why it is invalid. */
export function decodeMetaPage(page: Buffer): MetaPage | string {
  if (page.length < META_PAGE_BYTES) return "is cut short";
  const body = page.subarray(PAGE_HEAD_BYTES);
  if (body.readUInt32LE(0) !== MAGIC) return "is not one of a bbolt file";
  const version = body.readUInt32LE(4);
  if (version !== VERSION) return `has format version ${version}, not ${VERSION}`;
  const sum = fnv1a(body.subarray(0, SUMMED_BYTES));
  if (body.readBigUInt64LE(SUMMED_BYTES) !== sum) return "has a wrong checksum";
  return {
    pageBytes: body.readUInt32LE(8),
    root: Number(body.readBigUInt64LE(16)),
    pages: Number(body.readBigUInt64LE(40)),
    transaction: Number(body.readBigUInt64LE(48)),
  };
}

const FNV_OFFSET = 0xcbf29ce484222325n;
const FNV_PRIME = 0x100000001b3n;

/** FNV-1a of 64 bits. */
function fnv1a(bytes: Buffer): bigint {
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return hash;
}
