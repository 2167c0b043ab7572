import {
  type BranchElement,
  BUCKET_FLAG,
  ELEMENT_BYTES,
  type LeafElement,
  PAGE_HEAD_BYTES,
  PageKind,
} from "./page.ts";

/** The elements of a tree's page. */
export type PageContent =
  | { kind: "leaf"; elements: LeafElement[] }
  | { kind: "branch"; elements: BranchElement[] };

/** Reads a page's id, and how many pages it spans. */
export function readPageHead(page: Buffer): { id: bigint; span: number } {
  return { id: page.readBigUInt64LE(0), span: page.readUInt32LE(12) + 1 };
}

/** The elements of a whole page, or an error. Keys and values are views of it. */
export function readPage(page: Buffer): PageContent | string {
  if (page.length < PAGE_HEAD_BYTES) return "is cut short";
  const kind = page.readUInt16LE(8);
  const count = page.readUInt16LE(10);
  if (kind !== PageKind.leaf && kind !== PageKind.branch) {
    return `is of kind 0x${kind.toString(16)}, not a leaf or branch`;
  }
  if (PAGE_HEAD_BYTES + count * ELEMENT_BYTES > page.length) {
    return `claims ${count} elements, for which it has no room`;
  }
  return kind === PageKind.leaf ? readLeaf(page, count) : readBranch(page, count);
}

function readLeaf(page: Buffer, count: number): PageContent | string {
  const elements: LeafElement[] = [];
  let bytes = 0;
  for (let i = 0; i < count; i++) {
    const element = PAGE_HEAD_BYTES + i * ELEMENT_BYTES;
    const flags = page.readUInt32LE(element);
    if (flags !== 0 && flags !== BUCKET_FLAG) return `has flags ${flags} on its element ${i}`;
    const at = element + page.readUInt32LE(element + 4);
    const keyEnd = at + page.readUInt32LE(element + 8);
    const end = keyEnd + page.readUInt32LE(element + 12);
    if (end > page.length) return `has an element ${i} that ends outside of it`;
    bytes += end - at;
    if (bytes > page.length) return `has elements that overlap, up to ${i}`;
    elements.push({ flags, key: page.subarray(at, keyEnd), value: page.subarray(keyEnd, end) });
  }
  return { kind: "leaf", elements };
}

function readBranch(page: Buffer, count: number): PageContent | string {
  const elements: BranchElement[] = [];
  for (let i = 0; i < count; i++) {
    const element = PAGE_HEAD_BYTES + i * ELEMENT_BYTES;
    const at = element + page.readUInt32LE(element);
    const end = at + page.readUInt32LE(element + 4);
    if (end > page.length) return `has an element ${i} that ends outside of it`;
    const child = Number(page.readBigUInt64LE(element + 8));
    elements.push({ key: page.subarray(at, end), child });
  }
  return count > 0 ? { kind: "branch", elements } : "is a branch without children";
}
