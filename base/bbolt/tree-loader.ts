import { assert } from "@raft2kube/std/assert.ts";
import {
  type BranchElement,
  ELEMENT_BYTES,
  type LeafElement,
  PAGE_BYTES,
  PAGE_ELEMENTS_MAX,
  PAGE_HEAD_BYTES,
  pagesFor,
  type TreePage,
} from "./page.ts";

/** A level of branches: a full page, and the elements that follow it. */
interface Level {
  full: BranchElement[];
  elements: BranchElement[];
  /** Returns the size of a page of `elements`. */
  bytes: number;
}

/** bbolt merges pages as it deletes, and cannot do that to a branch with a single child. */
const BRANCH_CHILDREN_MIN = 2;

/**
 * Builds a tree from pairs in order, from the leaves up: pages are filled to the brim and emitted
 * as they become full, each after its children. Memory holds two pages for each level.
 */
export class TreeLoader {
  readonly #allocate: (span: number) => number;
  readonly #emit: (page: TreePage) => void;
  #leaf: LeafElement[] = [];
  #leafBytes = PAGE_HEAD_BYTES;
  #last: Buffer | undefined;
  readonly #levels: Level[] = [];

  /** `allocate` returns the first of `span` pages. */
  constructor(allocate: (span: number) => number, emit: (page: TreePage) => void) {
    this.#allocate = allocate;
    this.#emit = emit;
  }

  /** Keys come in ascending order, each once. A record longer than a page gets its own. */
  add(key: Buffer, value: Buffer, flags = 0): void {
    assert(!this.#last || this.#last.compare(key) < 0, "a tree's keys must ascend");
    this.#last = key;
    const bytes = ELEMENT_BYTES + key.length + value.length;
    const full = this.#leafBytes + bytes > PAGE_BYTES || this.#leaf.length >= PAGE_ELEMENTS_MAX;
    if (full && this.#leaf.length > 0) this.#endLeaf();
    this.#leaf.push({ flags, key, value });
    this.#leafBytes += bytes;
  }

  /** Emits what is left and returns the root's page. */
  finish(): number {
    if (this.#leaf.length > 0 || this.#levels.length === 0) this.#endLeaf();
    for (let at = 0; ; at++) {
      const { full, elements } = this.#levels[at]!;
      if (full.length === 0 && elements.length === 1) return elements[0]!.child;
      if (elements.length >= BRANCH_CHILDREN_MIN) {
        if (full.length > 0) this.#endBranch(at, full);
        this.#endBranch(at, elements);
        continue;
      }
      const all = [...full, ...elements];
      const split = all.length - BRANCH_CHILDREN_MIN;
      const even = elements.length > 0 && split >= BRANCH_CHILDREN_MIN;
      for (const part of even ? [all.slice(0, split), all.slice(split)] : [all]) {
        this.#endBranch(at, part);
      }
    }
  }

  #endLeaf(): void {
    const elements = this.#leaf;
    const span = pagesFor(this.#leafBytes);
    const id = this.#allocate(span);
    this.#emit({ id, span, kind: "leaf", elements });
    this.#leaf = [];
    this.#leafBytes = PAGE_HEAD_BYTES;
    this.#addChild(0, { key: elements[0]?.key ?? Buffer.alloc(0), child: id });
  }

  #addChild(at: number, element: BranchElement): void {
    const level = (this.#levels[at] ??= { full: [], elements: [], bytes: PAGE_HEAD_BYTES });
    const bytes = ELEMENT_BYTES + element.key.length;
    if (level.bytes + bytes > PAGE_BYTES && level.elements.length >= BRANCH_CHILDREN_MIN) {
      if (level.full.length > 0) this.#endBranch(at, level.full);
      level.full = level.elements;
      level.elements = [];
      level.bytes = PAGE_HEAD_BYTES;
    }
    level.elements.push(element);
    level.bytes += bytes;
  }

  #endBranch(at: number, elements: BranchElement[]): void {
    let bytes = PAGE_HEAD_BYTES;
    for (const { key } of elements) bytes += ELEMENT_BYTES + key.length;
    const span = pagesFor(bytes);
    const id = this.#allocate(span);
    this.#emit({ id, span, kind: "branch", elements });
    this.#addChild(at + 1, { key: elements[0]!.key, child: id });
  }
}
