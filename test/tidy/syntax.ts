import { parse } from "@babel/parser";
import type { SourceFile } from "./sources.ts";

/** A node of the syntax tree, as far as these checks look: its kind, its place, its parts. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: {
    readonly start: { readonly line: number };
    readonly end: { readonly line: number };
  };
  readonly [part: string]: unknown;
}

const trees = new Map<string, SyntaxNode[]>();

/** The statements of a source. */
export function statementsOf(file: SourceFile): SyntaxNode[] {
  let found = trees.get(file.path);
  if (!found) {
    const tree = parse(file.text, { sourceType: "module", plugins: ["typescript"] });
    found = tree.program.body as unknown as SyntaxNode[];
    trees.set(file.path, found);
  }
  return found;
}

/** Calls `visit` for every node below `root`, parents first. */
export function walk(root: unknown, visit: (node: SyntaxNode) => void): void {
  if (Array.isArray(root)) {
    for (const item of root) walk(item, visit);
  } else if (typeof root === "object" && root !== null && "type" in root) {
    const node = root as SyntaxNode;
    visit(node);
    for (const [key, part] of Object.entries(node)) {
      if (key !== "loc" && typeof part === "object") walk(part, visit);
    }
  }
}
