import type { SourceFile } from "./sources.ts";
import { type SyntaxNode, statementsOf, walk } from "./syntax.ts";

/** Functions that change the file that a path leads to at that moment. */
const CHANGING = /^(l?chmod|l?chown|l?utimes|cp)(Sync)?$/;
/** Functions that walk down a tree by its paths with the option `recursive`. */
const REMOVING = /^(rm|rmdir)(Sync)?$/;
const MODULES = /^(node:)?fs(\/promises)?$/;

/** A call of Node's that changes a file by its path, or removes a tree by its paths. */
export type PathCall = { path: string; line: number; call: string };

/** The calls of a source by which a link, or a name that changes meanwhile, leads elsewhere. */
export function pathCalls(file: SourceFile): PathCall[] {
  const statements = statementsOf(file);
  const { functions, modules } = importsOf(statements);
  const found: PathCall[] = [];
  walk(statements, (node) => {
    if (node.type !== "CallExpression") return;
    const name = calledName(node["callee"] as SyntaxNode, functions, modules);
    if (name === undefined) return;
    const removes = REMOVING.test(name) && saysRecursive(node["arguments"]);
    if (!removes && !CHANGING.test(name)) return;
    found.push({ path: file.path, line: node.loc.start.line, call: name });
  });
  return found;
}

interface Imports {
  /** Local names of single functions, with their names in the module. */
  functions: ReadonlyMap<string, string>;
  /** Local names of whole modules. */
  modules: ReadonlySet<string>;
}

function importsOf(statements: readonly SyntaxNode[]): Imports {
  const functions = new Map<string, string>();
  const modules = new Set<string>();
  for (const statement of statements) {
    if (statement.type !== "ImportDeclaration") continue;
    if (!MODULES.test((statement["source"] as { value: string }).value)) continue;
    for (const specifier of statement["specifiers"] as SyntaxNode[]) {
      const local = nameOf(specifier["local"]);
      if (specifier.type === "ImportSpecifier") functions.set(local, nameOf(specifier["imported"]));
      else modules.add(local);
    }
  }
  return { functions, modules };
}

/** The function of the module that is called, by itself or as a member of it. */
function calledName(
  callee: SyntaxNode,
  functions: ReadonlyMap<string, string>,
  modules: ReadonlySet<string>,
): string | undefined {
  if (callee.type === "Identifier") return functions.get(nameOf(callee));
  if (callee.type !== "MemberExpression") return undefined;
  const object = callee["object"] as SyntaxNode;
  // `fs.promises.rm` is the module's as `fs.rm` is.
  const module = object.type === "MemberExpression" ? object["object"] : object;
  return modules.has(nameOf(module)) ? nameOf(callee["property"]) : undefined;
}

const nameOf = (node: unknown): string => (node as { name?: string } | undefined)?.name ?? "";

function saysRecursive(args: unknown): boolean {
  let found = false;
  walk(args, (node) => {
    if (node.type === "ObjectProperty" && nameOf(node["key"]) === "recursive") found = true;
  });
  return found;
}
