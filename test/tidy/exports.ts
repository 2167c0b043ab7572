import { dirname, join } from "node:path";
import type { SourceFile } from "./sources.ts";
import { type SyntaxNode, statementsOf, walk } from "./syntax.ts";

/** The exports of one source, and its imports by file. */
export interface Module {
  readonly exports: readonly string[];
  /** Imported names by the file they come from; `*` for all of it. */
  readonly imports: ReadonlyMap<string, ReadonlySet<string>>;
}

const BASE = [
  "std",
  "proto",
  "bbolt",
  "h2",
  "rpc",
  "linux",
  "pki",
  "streaming",
  "observe",
  "reconcile",
];

/** The file of the product that an import means, undefined for packages of others. */
export function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return join(dirname(from), specifier);
  const named = /^@raft2kube\/([\w-]+)\/(.+)$/.exec(specifier);
  if (!named) return undefined;
  const [, name = "", rest = ""] = named;
  if (BASE.includes(name)) return `base/${name}/${rest}`;
  return name.startsWith("client-") ? `client/${name.slice(7)}/${rest}` : `${name}/${rest}`;
}

/** Reads a source's exports and imports, type-only and dynamic ones included. */
export function moduleOf(file: SourceFile): Module {
  const exports: string[] = [];
  const imports = new Map<string, Set<string>>();
  const take = (specifier: unknown, names: readonly string[]) => {
    const target = targetOf(
      file.path,
      String((specifier as { value?: unknown } | undefined)?.value),
    );
    if (target === undefined) return;
    const known = imports.get(target) ?? new Set();
    for (const name of names) known.add(name);
    imports.set(target, known);
  };
  for (const node of statementsOf(file)) {
    if (node.type === "ImportDeclaration") take(node["source"], importedNames(node));
    if (node.type === "ExportAllDeclaration") take(node["source"], ["*"]);
    if (node.type === "ExportNamedDeclaration") {
      if (node["source"]) take(node["source"], localNames(node));
      exports.push(...exportedNames(node));
    }
  }
  walk(statementsOf(file), (node) => {
    if (node.type === "ImportExpression") take(node["source"], ["*"]);
    const callee = node["callee"] as SyntaxNode | undefined;
    if (node.type === "CallExpression" && callee?.type === "Import") {
      take((node["arguments"] as unknown[])[0], ["*"]);
    }
    if (node.type === "TSImportType") take(node["source"] ?? node["argument"], ["*"]);
  });
  return { exports, imports };
}

type Named = { readonly name?: string; readonly value?: string };
const nameOf = (node: unknown) => (node as Named).name ?? (node as Named).value ?? "";
const specifiersOf = (node: SyntaxNode) => (node["specifiers"] ?? []) as SyntaxNode[];

function importedNames(node: SyntaxNode): string[] {
  return specifiersOf(node).map((item) => {
    return item.type === "ImportSpecifier" ? nameOf(item["imported"]) : "*";
  });
}

function localNames(node: SyntaxNode): string[] {
  return specifiersOf(node).map((item) => nameOf(item["local"]));
}

function exportedNames(node: SyntaxNode): string[] {
  const declaration = node["declaration"] as SyntaxNode | null;
  if (!declaration) return specifiersOf(node).map((item) => nameOf(item["exported"]));
  if (declaration["id"]) return [nameOf(declaration["id"])];
  const declarators = (declaration["declarations"] ?? []) as SyntaxNode[];
  return declarators.map((item) => nameOf(item["id"])).filter((name) => name !== "");
}
