/**
 * Pages of a bbolt file. Each starts with a header (id u64, kind u16, count of elements u16, number
 * of further pages it takes u32), all little-endian. Elements follow, then their keys and values.
 *
 * A leaf's element: flags u32, place of the key u32 counted from the element, length of the key
 * u32, of the value u32. A branch's: place of the key u32, its length u32, the child's page u64.
 */
export const PAGE_BYTES = 4096;
export const PAGE_HEAD_BYTES = 16;
export const ELEMENT_BYTES = 16;
/** The most elements of a page: bbolt gives the highest count a meaning of its own. */
export const PAGE_ELEMENTS_MAX = 0xfffe;

export const PageKind = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;

/** A leaf's element whose value is a bucket. */
export const BUCKET_FLAG = 0x01;
/** A bucket's value: root page u64, sequence u64; with root 0 the page itself follows. */
export const BUCKET_HEAD_BYTES = 16;

export type Pair = [key: Buffer, value: Buffer];

export type LeafElement = { flags: number; key: Buffer; value: Buffer };

export interface BranchElement {
  key: Buffer;
  /** The page below. */
  child: number;
}

/** A page of a tree, before it is bytes. */
export type TreePage = { id: number; span: number } & (
  | { kind: "leaf"; elements: LeafElement[] }
  | { kind: "branch"; elements: BranchElement[] }
);

/** How many pages `bytes` take, header included. */
export const pagesFor = (bytes: number) => Math.ceil(bytes / PAGE_BYTES);

export function writePageHead(
  page: Buffer,
  head: { id: number; kind: number; count: number; span: number },
): void {
  page.writeBigUInt64LE(BigInt(head.id), 0);
  page.writeUInt16LE(head.kind, 8);
  page.writeUInt16LE(head.count, 10);
  page.writeUInt32LE(head.span - 1, 12);
}

/** The bytes of a tree's page: `span` pages long, zeros after the last element. */
export function encodePage(tree: TreePage): Buffer {
  const { id, span, kind, elements } = tree;
  const page = Buffer.alloc(span * PAGE_BYTES);
  writePageHead(page, { id, kind: PageKind[kind], count: elements.length, span });
  let element = PAGE_HEAD_BYTES;
  let at = PAGE_HEAD_BYTES + elements.length * ELEMENT_BYTES;
  for (const each of elements) {
    const { key } = each;
    if ("value" in each) {
      page.writeUInt32LE(each.flags, element);
      page.writeUInt32LE(at - element, element + 4);
      page.writeUInt32LE(key.length, element + 8);
      page.writeUInt32LE(each.value.length, element + 12);
    } else {
      page.writeUInt32LE(at - element, element);
      page.writeUInt32LE(key.length, element + 4);
      page.writeBigUInt64LE(BigInt(each.child), element + 8);
    }
    at += key.copy(page, at);
    if ("value" in each) at += each.value.copy(page, at);
    element += ELEMENT_BYTES;
  }
  return page;
}

/** The value of a bucket whose tree has its root at a page. */
export function encodeBucketHead(root: number): Buffer {
  const value = Buffer.alloc(BUCKET_HEAD_BYTES);
  value.writeBigUInt64LE(BigInt(root), 0);
  return value;
}
