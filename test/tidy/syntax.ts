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

/** The kinds of nodes that declare a name, and the part that has it. */
const DECLARATIONS: Readonly<Record<string, string>> = {
  ClassDeclaration: "id",
  ClassMethod: "key",
  ClassPrivateMethod: "key",
  ClassPrivateProperty: "key",
  ClassProperty: "key",
  FunctionDeclaration: "id",
  ObjectMethod: "key",
  TSInterfaceDeclaration: "id",
  TSMethodSignature: "key",
  TSPropertySignature: "key",
  TSTypeAliasDeclaration: "id",
  VariableDeclarator: "id",
};

/** The names that a source declares: of functions, types, members, parameters and variables. */
export function declaredNames(file: SourceFile): string[] {
  const names = new Set<string>();
  walk(statementsOf(file), (node) => {
    const declared = [node[DECLARATIONS[node.type] ?? ""], ...patternsOf(node)];
    for (const part of declared) for (const name of boundNames(part)) names.add(name);
  });
  return [...names];
}

function patternsOf({ params }: SyntaxNode): unknown[] {
  return Array.isArray(params) ? params : [];
}

/** The names that a pattern binds; of a member's key the key itself. */
function boundNames(part: unknown): string[] {
  if (typeof part !== "object" || part === null || !("type" in part)) return [];
  const { type, name, id, left, argument, value, properties, elements } = part as SyntaxNode;
  switch (type) {
    case "Identifier":
      return [String(name)];
    case "PrivateName":
      return boundNames(id);
    case "AssignmentPattern":
      return boundNames(left);
    case "RestElement":
      return boundNames(argument);
    case "ObjectProperty":
      return boundNames(value);
    case "ObjectPattern":
      return Array.isArray(properties) ? properties.flatMap(boundNames) : [];
    case "ArrayPattern":
      return Array.isArray(elements) ? elements.flatMap(boundNames) : [];
    default:
      return [];
  }
}
