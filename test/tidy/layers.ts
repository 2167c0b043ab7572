import type { Layers } from "./arrows.ts";
import { moduleOf } from "./exports.ts";
import { type SourceFile, sourceFiles } from "./sources.ts";

/** A file takes something, be it a type, of another file of its package. */
export type Import = { readonly from: string; readonly to: string };

/** The sources of a package but its tests and what serves only them. */
export function productFiles(name: string): SourceFile[] {
  const apart = /\.test\.ts$|\/(testing|golden|facts|gen)\//;
  return sourceFiles().filter(({ path }) => path.startsWith(`${name}/`) && !apart.test(path));
}

/** The imports among some files, type-only and dynamic ones included. */
export function importsAmong(files: readonly SourceFile[]): Import[] {
  const known = new Set(files.map(({ path }) => path));
  return files.flatMap((file) => {
    const targets = [...moduleOf(file).imports.keys()];
    return targets.filter((to) => known.has(to)).map((to) => ({ from: file.path, to }));
  });
}

/** The layer of a file and the member that names it there; undefined where none does. */
export function placeOf(
  name: string,
  layers: Layers,
  path: string,
): { readonly layer: number; readonly member: string } | undefined {
  const places = layers.flatMap((members, layer) => members.map((member) => ({ layer, member })));
  const fitting = places.filter(({ member }) => path.startsWith(`${name}/${member}`));
  return fitting.sort((a, b) => b.member.length - a.member.length)[0];
}

/** The imports that lead to a higher layer. */
export function upwardImports(name: string, layers: Layers, imports: readonly Import[]): Import[] {
  const layerOf = (path: string) => placeOf(name, layers, path)?.layer ?? -1;
  return imports.filter(({ from, to }) => layerOf(from) < layerOf(to));
}

/** The imports among members of layers: folders stand for the files in them. */
export function memberImports(name: string, layers: Layers, imports: readonly Import[]): Import[] {
  const memberOf = (path: string) => placeOf(name, layers, path)?.member ?? path;
  const all = imports.map(({ from, to }) => ({ from: memberOf(from), to: memberOf(to) }));
  return all.filter(({ from, to }) => from !== to);
}

/** Groups of names that reach each other by imports, each sorted (Tarjan's algorithm). */
export function cyclesOf(imports: readonly Import[]): string[][] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const cycles: string[][] = [];
  const visit = (name: string): void => {
    const own = index.size;
    index.set(name, own);
    low.set(name, own);
    open.push(name);
    for (const to of next.get(name) ?? []) {
      if (!index.has(to)) visit(to);
      if (open.includes(to)) low.set(name, Math.min(low.get(name)!, low.get(to)!));
    }
    if (low.get(name) !== own) return;
    const group = open.splice(open.indexOf(name));
    if (group.length > 1) cycles.push(group.sort());
  };
  for (const name of next.keys()) if (!index.has(name)) visit(name);
  return cycles;
}
