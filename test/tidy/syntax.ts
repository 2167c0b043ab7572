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

/** A comment of a source, or several line comments below each other. */
export interface Comment {
  readonly line: number;
  /** Whether it is a doc comment. */
  readonly isDoc: boolean;
  /** The words, without the marks of the comment, on one line. */
  readonly text: string;
}

type Source = { readonly statements: SyntaxNode[]; readonly comments: readonly Comment[] };

const sources = new Map<string, Source>();

/** Parses a source at the first call only. */
function parsed(file: SourceFile): Source {
  let found = sources.get(file.path);
  if (!found) {
    // A type argument before an arrow's parameters reads like an element: JSX is for .tsx alone.
    const jsx = file.path.endsWith(".tsx") ? ["jsx" as const] : [];
    const plugins = ["typescript" as const, ...jsx];
    // Comments are read from the tree's list; finding the nodes of each takes time and memory.
    const tree = parse(file.text, { sourceType: "module", plugins, attachComment: false });
    const statements = tree.program.body as unknown as SyntaxNode[];
    found = { statements, comments: joined(tree.comments ?? []) };
    sources.set(file.path, found);
  }
  return found;
}

/** The statements of a source. */
export const statementsOf = (file: SourceFile): SyntaxNode[] => parsed(file).statements;

/** The comments of a source, in order. */
export const commentsOf = (file: SourceFile): readonly Comment[] => parsed(file).comments;

type Parsed = ReturnType<typeof parse>;

/** Joins line comments below each other. A tag of the labs is a comment of its own. */
function joined(comments: NonNullable<Parsed["comments"]>): Comment[] {
  const found: Comment[] = [];
  let next: { line: number; column: number } | undefined;
  for (const { type, value, loc } of comments) {
    const { line, column } = loc!.start;
    const text = value
      .replaceAll(/\s*\n\s*\* ?/g, " ")
      .replace(/^\*/, "")
      .trim();
    const isLine = type === "CommentLine" && !text.startsWith("lab:");
    const last = found.at(-1);
    if (last && isLine && next?.line === line && next.column === column) {
      found[found.length - 1] = { ...last, text: `${last.text} ${text}` };
    } else {
      found.push({ line, isDoc: type === "CommentBlock" && value.startsWith("*"), text });
    }
    next = isLine ? { line: line + 1, column } : undefined;
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
    for (const key in node) {
      if (key !== "loc" && typeof node[key] === "object") walk(node[key], visit);
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

const patternsOf = ({ params }: SyntaxNode): unknown[] => (Array.isArray(params) ? params : []);

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
