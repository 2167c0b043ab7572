import { assert } from "@raft2kube/std/assert.ts";
import { encodeMetaPage } from "./meta-page.ts";
import {
  BUCKET_FLAG,
  encodeBucketHead,
  encodePage,
  PAGE_BYTES,
  PageKind,
  type Pair,
  type TreePage,
  writePageHead,
} from "./page.ts";
import { TreeLoader } from "./tree-loader.ts";

/** One bucket to write: its pairs in order, the same each time they are asked for. */
export interface BboltBucket {
  name: string;
  pairs(): AsyncIterable<Pair[]>;
}

/** The root's page and the number of pages of the file. */
export type BboltLayout = { root: number; pages: number };

const FREELIST_PAGE = 2;
const FIRST_TREE_PAGE = 3;

export const bytesOf = ({ pages }: BboltLayout): number => pages * PAGE_BYTES;

/**
 * Finds a file's layout: its first pages must say where the last ones are, so the buckets are gone
 * through once to count, and once to write. Nothing but the pages being filled is in memory.
 */
export async function layOut(buckets: BboltBucket[]): Promise<BboltLayout> {
  const layout = { root: 0, pages: FIRST_TREE_PAGE };
  const load = loadBuckets(buckets, layout, () => undefined);
  while (!(await load.next()).done);
  return layout;
}

/**
 * The bytes of a bbolt file with these buckets, in whole pages. The caller paces it: nothing is
 * read ahead.
 */
export async function* bboltFile(
  buckets: BboltBucket[],
  layout: BboltLayout,
): AsyncGenerator<Buffer> {
  const meta = { pageBytes: PAGE_BYTES, ...layout, freelist: FREELIST_PAGE };
  yield encodeMetaPage(0, { ...meta, transaction: 2 });
  yield encodeMetaPage(1, { ...meta, transaction: 1 });
  const freelist = Buffer.alloc(PAGE_BYTES);
  writePageHead(freelist, { id: FREELIST_PAGE, kind: PageKind.freelist, count: 0, span: 1 });
  yield freelist;
  const written = { root: 0, pages: FIRST_TREE_PAGE };
  const ready: Buffer[] = [];
  const load = loadBuckets(buckets, written, (page) => ready.push(encodePage(page)));
  for (let done = false; !done; ) {
    done = (await load.next()).done === true;
    yield* ready.splice(0);
  }
  const same = written.root === layout.root && written.pages === layout.pages;
  assert(same, "the buckets are not what they were when the file was laid out");
}

/** Loads each bucket's tree, then the tree of buckets; yields where the loop may turn. */
async function* loadBuckets(
  buckets: BboltBucket[],
  layout: BboltLayout,
  emit: (page: TreePage) => void,
): AsyncGenerator<void> {
  const allocate = (span: number) => {
    const id = layout.pages;
    layout.pages += span;
    return id;
  };
  const root = new TreeLoader(allocate, emit);
  for (const { name, pairs } of buckets) {
    const tree = new TreeLoader(allocate, emit);
    for await (const chunk of pairs()) {
      for (const [key, value] of chunk) tree.add(key, value);
      yield;
    }
    root.add(Buffer.from(name), encodeBucketHead(tree.finish()), BUCKET_FLAG);
  }
  layout.root = root.finish();
}
