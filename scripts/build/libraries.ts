import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { ARROWS } from "../../test/tidy/arrows.ts";
import { targetOf } from "../../test/tidy/exports.ts";
import { ROOT } from "./bundle.ts";

/** The exports of the npm package: name and source, without `.ts`. */
export const LIBRARIES: Readonly<Record<string, string>> = {
  store: "store/npm",
  etcd: "client/etcd/npm",
};

/** The `exports` of the package: types beside bundles. */
export function packageExports(bundles: string): object {
  const entries = Object.entries(LIBRARIES).map(([name, source]) => {
    const places = { types: `./types/${source}.d.ts`, default: `./${bundles}/${name}.js` };
    return [`./${name}`, places] as const;
  });
  return { ...Object.fromEntries(entries), "./package.json": "./package.json" };
}

/** Writes the types of the libraries, and of their own dependencies, below `dir`. */
export function writeTypes(dir: string): void {
  const work = join(ROOT, ".cache/types");
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  const sources = Object.values(LIBRARIES);
  const compilerOptions = {
    ...{ noEmit: false, declaration: true, emitDeclarationOnly: true },
    ...{ outDir: "out", rootDir: "../..", paths: ownPackages() },
  };
  const files = sources.map((source) => `../../${source}.ts`);
  const config = { extends: "../../tsconfig.json", compilerOptions, include: [], files };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify(config));
  const made = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", work], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`types were not made: ${made.stdout}${made.stderr}`);
  const taken = new Set<string>();
  for (const source of sources) take(`${source}.ts`, taken, join(work, "out"), dir);
}

/** Our packages as folders: what lies in node_modules, tsc takes for others' and passes over. */
function ownPackages(): Record<string, string[]> {
  const names = Object.keys(ARROWS);
  return Object.fromEntries(
    names.map((name) => {
      const inside = targetOf("", `@raft2kube/${name}/*`)!;
      return [`@raft2kube/${name}/*`, [`../../${inside}`]];
    }),
  );
}

/** Copies the types of one source and of those it imports, which it finds beside it from now on. */
function take(source: string, taken: Set<string>, from: string, to: string): void {
  if (taken.has(source)) return;
  taken.add(source);
  const name = source.replace(/\.ts$/, ".d.ts");
  const text = readFileSync(join(from, name), "utf8");
  const local = text.replace(/(["'])((?:\.|@raft2kube\/)[^"'\n]*\.ts)\1/g, (_, quote, path) => {
    const target = targetOf(source, path as string)!;
    take(target, taken, from, to);
    const beside = relative(dirname(source), target).replace(/\.ts$/, ".js");
    return `${quote}${beside.startsWith(".") ? beside : `./${beside}`}${quote}`;
  });
  cpSync(join(from, name), join(to, name), { recursive: true });
  writeFileSync(join(to, name), local);
}
